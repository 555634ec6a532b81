/** From the configuration and the files it names to the settings of the TURN server; done again at each reload. */
import type { Config } from "../config/schema.ts";
import { parseTurnUser, type SecretSource, type TurnUserSpec } from "../config/turn-values.ts";
import { type Endpoint, familyOf, type IpAddress, type IpFamily } from "../core/address.ts";
import { turnSecretsMax } from "../core/limits.ts";
import { hostAddresses } from "../io/host-addresses.ts";
import { linesOf, readCertificate, readSecretFile, SecretFileError } from "../io/turn/secret-files.ts";
import type { Certificate } from "../io/turn/stream-listener.ts";
import type { TurnSettings, TurnUser } from "../turn/settings.ts";

/** What this process can do, and where its doors are. */
export interface TurnPlace {
  /** Ports of our control and operator sockets, and of this server itself: no peers. */
  readonly controlPorts: readonly number[];
  readonly hasTcpRelays: boolean;
  readonly hasDontFragment: boolean;
}

export interface TurnReading {
  readonly settings: TurnSettings;
  readonly certificate: Certificate | undefined;
  /** One line each for the log. */
  readonly warnings: readonly string[];
}

/** Throws a `SecretFileError`: then nothing of it may be used. */
export function readTurnSettings(config: Config, place: TurnPlace): TurnReading {
  const warnings: string[] = [];
  const readLines = (option: string, path: string): readonly string[] => {
    const file = readSecretFile(option, path);
    if (file.isOpen) warnings.push(`${option} ${path}: every user of this machine can read it`);
    return linesOf(file);
  };
  const users = config.turnUsers.flatMap((spec) => usersOf(spec, readLines));
  const secrets = config.turnSecrets.flatMap((source) => textsOf("turn-secret", source, readLines));
  if (secrets.length > turnSecretsMax) {
    throw new SecretFileError("turn-secret", "", `at most ${turnSecretsMax} are valid at once`);
  }
  const { turnCert, turnKey } = config;
  const isSecure = config.listenTurn.some(({ transport }) => transport === "tls" || transport === "dtls");
  const hasFiles = isSecure && turnCert !== undefined && turnKey !== undefined;
  const certificate = hasFiles ? readCertificate(turnCert, turnKey) : undefined;
  if (certificate?.isOpen === true) {
    warnings.push(`turn-key ${turnKey}: every user of this machine can read it`);
  }
  return { settings: settingsOf(config, place, { users, secrets }), certificate, warnings };
}

type ReadLines = (option: string, path: string) => readonly string[];

function usersOf(spec: TurnUserSpec, readLines: ReadLines): readonly TurnUser[] {
  if (spec.kind === "user") return [userOf(spec.name, firstOf("turn-user", spec.password, readLines))];
  return readLines("turn-user", spec.path).map((line, index) => {
    const parsed = parseTurnUser(line);
    const isUser = parsed.ok && parsed.value.kind === "user" && parsed.value.password.kind === "text";
    if (!isUser || parsed.value.kind !== "user" || parsed.value.password.kind !== "text") {
      throw new SecretFileError(
        "turn-user",
        spec.path,
        `entry ${index + 1} is not NAME:PASSWORD or NAME:0xKEY`,
      );
    }
    return userOf(parsed.value.name, parsed.value.password.text);
  });
}

/** `0x` and 32 digits are an MD5 key, 64 digits an SHA-256 key; both may stand there. */
function userOf(name: string, password: string): TurnUser {
  const keys = password.split(",").map((part) => /^0x([0-9a-fA-F]{32}|[0-9a-fA-F]{64})$/.exec(part)?.[1]);
  if (keys.length > 2 || keys.includes(undefined)) return { name, password };
  const keyOf = (digits: number): Uint8Array | undefined => {
    const text = keys.find((key) => key?.length === digits);
    return text === undefined ? undefined : Buffer.from(text, "hex");
  };
  const [md5Key, sha256Key] = [keyOf(32), keyOf(64)];
  return {
    name,
    ...(md5Key === undefined ? {} : { md5Key }),
    ...(sha256Key === undefined ? {} : { sha256Key }),
  };
}

function textsOf(option: string, source: SecretSource, readLines: ReadLines): readonly string[] {
  return source.kind === "text" ? [source.text] : readLines(option, source.path);
}

function firstOf(option: string, source: SecretSource, readLines: ReadLines): string {
  const [first] = textsOf(option, source, readLines);
  if (first !== undefined) return first;
  throw new SecretFileError(option, source.kind === "file" ? source.path : "", "the file is empty");
}

function settingsOf(
  config: Config,
  place: TurnPlace,
  secrets: Pick<TurnSettings, "users" | "secrets">,
): TurnSettings {
  const { interfaces } = config;
  const families = new Set<IpFamily>(interfaces.map(({ ip }) => familyOf(ip)));
  const listening = config.listenTurn.map(({ endpoint }) => endpoint.ip);
  return {
    ...secrets,
    realm: config.turnRealm,
    isAnonymous: config.turnAnonymous,
    allowPeers: config.turnAllowPeer.map(({ cidr }) => cidr),
    denyPeers: config.turnDenyPeer.map(({ cidr }) => cidr),
    ownIps: [
      ...new Set([
        ...hostAddresses(),
        ...interfaces.flatMap(({ ip, advertisedIp }) => [ip, advertisedIp]),
        ...listening,
      ]),
    ],
    controlPorts: place.controlPorts,
    families: [...families],
    hasTcpRelays: place.hasTcpRelays && config.turnTcpRelay === "on",
    hasMobility: config.turnMobility === "on",
    hasDontFragment: place.hasDontFragment,
    hasLegacyChannels: true,
    discovery: discoveryOf(config),
    alternateServers: config.turnAlternateServers,
    allocationsMax: config.turnMaxAllocations,
    allocationsPerUserMax: config.turnUserQuota,
    allocationBytesPerSec: config.turnMaxBps,
    userBytesPerSec: config.turnUserBps,
    lifetimeDefaultSec: config.turnLifetimeMs / 1_000,
    lifetimeMaxSec: config.turnMaxLifetimeMs / 1_000,
    permissionSec: config.turnPermissionLifetimeMs / 1_000,
    channelSec: config.turnChannelLifetimeMs / 1_000,
    nonceSec: config.turnNonceLifetimeMs / 1_000,
    challengesPerSec: config.turnChallengeRate,
  };
}

/**
 * The same settings, where this machine has addresses now that it did not have when they were read: a virtual address
 * that has come over, for example. Those that have gone stay ours until the next reload. Undefined: nothing is new.
 */
export function withAddresses(
  settings: TurnSettings,
  addresses: readonly IpAddress[],
): TurnSettings | undefined {
  const fresh = addresses.filter((ip) => !settings.ownIps.includes(ip));
  return fresh.length === 0 ? undefined : { ...settings, ownIps: [...settings.ownIps, ...fresh] };
}

function discoveryOf(config: Config): TurnSettings["discovery"] {
  const { turnDiscovery: second, listenTurn, interfaces } = config;
  const first = listenTurn.find(({ transport }) => transport === "udp")?.endpoint;
  if (second === undefined || first === undefined) return undefined;
  const advertisedIp = interfaces.find(({ ip }) => ip === first.ip)?.advertisedIp ?? first.ip;
  return {
    addresses: [
      { ip: first.ip, advertisedIp },
      { ip: second.ip, advertisedIp: second.advertisedIp },
    ],
    ports: [first.port, second.port],
  };
}

/** Where clients come in over UDP: as configured, and what behaviour discovery adds. */
export function datagramListeners(config: Config): readonly Endpoint[] {
  const listed = config.listenTurn.flatMap(({ transport, endpoint }) =>
    transport === "udp" ? [endpoint] : [],
  );
  const discovery = discoveryOf(config);
  if (discovery === undefined) return listed;
  const four = discovery.addresses.flatMap(({ ip }) => discovery.ports.map((port) => ({ ip, port })));
  const isListed = (wanted: Endpoint): boolean =>
    listed.some(({ ip, port }) => ip === wanted.ip && port === wanted.port);
  return [...listed, ...four.filter((wanted) => !isListed(wanted))];
}
