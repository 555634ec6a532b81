/**
 * Who may use the server, and with which key he seals (RFC 8489 section 9.2.2): users with lasting passwords, and
 * time-limited ones whose name is `EXPIRY:ID` and whose password is base64(HMAC-SHA1(secret, name)), as web services
 * hand them out (draft-uberti-behave-turn-rest-00 section 2.2).
 */
import { Buffer } from "node:buffer";
import type { Digests } from "../core/digests.ts";
import { turnKeysRememberedMax, turnSecretsMax, turnUsernameSizeBytesMax } from "../core/limits.ts";
import type { Random } from "../core/random.ts";
import type { UnixMs } from "../core/time.ts";
import { longTermKey, userhashOf } from "../stun/integrity.ts";
import { encodeText } from "../stun/values.ts";
import type { TurnSettings } from "./settings.ts";

export type PasswordAlgorithm = "md5" | "sha256";

/** IANA registry "STUN Password Algorithms" (RFC 8489 section 18.5). */
export const passwordAlgorithmCode = { md5: 1, sha256: 2 } as const;

interface UserKeys {
  readonly md5: Uint8Array | undefined;
  readonly sha256: Uint8Array | undefined;
}

export class Credentials {
  readonly #digests: Digests;
  readonly #realm: string;
  readonly #secrets: readonly Uint8Array[];
  readonly #users = new Map<string, UserKeys>();
  readonly #names = new Map<string, string>();
  /** Keys that proved right, by algorithm and name; the oldest goes first. */
  readonly #remembered = new Map<string, Uint8Array>();
  /** No user's: tried for unknown names, so that a refusal says nothing by the time it takes. */
  readonly #decoy: Uint8Array;
  /** What passwords may be hashed with, the best first; all users and secrets can do each. */
  readonly algorithms: readonly PasswordAlgorithm[];
  /** True if every user can be found by USERHASH. */
  readonly hasAnonymity: boolean;

  constructor(parts: { readonly digests: Digests; readonly random: Random }, settings: TurnSettings) {
    this.#digests = parts.digests;
    this.#decoy = parts.random.bytes(32);
    this.#realm = settings.realm;
    this.#secrets = settings.secrets.slice(0, turnSecretsMax).map((secret) => encodeText(secret));
    for (const user of settings.users) {
      this.#users.set(user.name, this.#keysOf(user));
      const hash = userhashOf(parts.digests, user.name, settings.realm);
      this.#names.set(Buffer.from(hash).toString("hex"), user.name);
    }
    const all = [...this.#users.values()];
    const common = (["sha256", "md5"] as const).filter((name) =>
      all.every((keys) => keys[name] !== undefined),
    );
    this.algorithms = common.length === 0 ? ["md5"] : common;
    this.hasAnonymity = all.length > 0 && this.#secrets.length === 0;
  }

  /** Who stands behind the name: quotas and caps go by it, and a name renewed by the web service is the same user. */
  accountOf(username: string): string {
    if (this.#users.has(username)) return username;
    const id = timeLimited(username)?.id ?? "";
    // Marked, so that nobody becomes a lasting user by an id of that name.
    return id === "" ? username : `:${id}`;
  }

  /** The name behind a USERHASH (RFC 8489 section 14.4). */
  nameOf(userhash: Uint8Array): string | undefined {
    return this.#names.get(Buffer.from(userhash).toString("hex"));
  }

  /** Every key that would prove this name right now; for an unknown or expired one a key nobody has. */
  keysOf(username: string, algorithm: PasswordAlgorithm, unixMs: UnixMs): readonly Uint8Array[] {
    const user = this.#users.get(username);
    if (user !== undefined) return [user[algorithm] ?? this.#decoy];
    if (this.#secrets.length === 0 || !isInTime(username, unixMs)) return [this.#decoy];
    const known = this.#remembered.get(`${algorithm}:${username}`);
    if (known !== undefined) return [known];
    return this.#secrets.map((secret) => {
      const password = Buffer.from(this.#digests.hmacSha1(secret, encodeText(username))).toString("base64");
      return longTermKey(this.#digests, algorithm, { username, realm: this.#realm, password });
    });
  }

  /** The key has proved right; only then is it kept. */
  remember(username: string, algorithm: PasswordAlgorithm, key: Uint8Array): void {
    const name = `${algorithm}:${username}`;
    if (this.#users.has(username) || this.#remembered.has(name)) return;
    this.#remembered.set(name, key);
    if (this.#remembered.size <= turnKeysRememberedMax) return;
    for (const oldest of this.#remembered.keys()) {
      this.#remembered.delete(oldest);
      return;
    }
  }

  #keysOf(user: TurnSettings["users"][number]): UserKeys {
    if (!("password" in user)) return { md5: user.md5Key, sha256: user.sha256Key };
    const words = { username: user.name, realm: this.#realm, password: user.password };
    return {
      md5: longTermKey(this.#digests, "md5", words),
      sha256: longTermKey(this.#digests, "sha256", words),
    };
  }
}

function isInTime(username: string, unixMs: UnixMs): boolean {
  if (username.length > turnUsernameSizeBytesMax) return false;
  const parts = timeLimited(username);
  return parts !== undefined && parts.untilSec * 1_000 > unixMs;
}

/** `EXPIRY`, `EXPIRY:ID`, or as some services have it `ID:EXPIRY`; the expiry is Unix time in seconds. */
function timeLimited(username: string): { readonly untilSec: number; readonly id: string } | undefined {
  const colon = username.indexOf(":");
  const [first, second] = colon < 0 ? [username, ""] : [username.slice(0, colon), username.slice(colon + 1)];
  if (/^[0-9]{1,12}$/.test(first)) return { untilSec: Number(first), id: second };
  return /^[0-9]{1,12}$/.test(second) ? { untilSec: Number(second), id: first } : undefined;
}
