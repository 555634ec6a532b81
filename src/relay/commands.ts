/** The binary records main sends to a worker. Every record names a pair by its RTP slot and generation. */
import type { Endpoint } from "../core/address.ts";
import type { PairSettings } from "../core/plan/plan.ts";
import type { SrtpKey } from "../core/plan/security.ts";
import { commandWords } from "./driver.ts";
import { encodeKeys } from "./key-records.ts";
import { encodeEndpoint, encodeSettings, type SlotRef, settingsWords } from "./slot-settings.ts";

export const commandKind = {
  open: 1,
  configure: 2,
  close: 3,
  stop: 4,
  keys: 5,
  prove: 6,
  revoke: 7,
  supersede: 8,
} as const;

export const commandField = {
  kind: 0,
  slot: 1,
  generation: 2,
  /** configure: the settings. */
  settings: 3,
  /** open: the handles, the family, the local RTP endpoint. */
  rtpHandle: 3,
  rtcpHandle: 4,
  isV6: 5,
  local: 6,
  /** keys and prove: five words; port 0: none. */
  source: 3,
  /** prove: 1 or 0. */
  isNominated: 8,
  /** keys: see `key-records.ts`. */
  keys: 8,
} as const;

if (commandField.settings + settingsWords > commandWords) throw new Error("commands: a record is too small");

/** A command as main keeps it until the worker's ring has room. */
export type Command =
  | {
      readonly kind: "open";
      readonly at: SlotRef;
      readonly rtpHandle: number;
      readonly rtcpHandle: number;
      readonly local: Endpoint;
    }
  | {
      readonly kind: "configure";
      readonly at: SlotRef;
      readonly settings: PairSettings;
      readonly peer: SlotRef | undefined;
      readonly siblings: readonly SlotRef[];
      /** The pair whose sockets serve the bundle, for settings with a bundle; of the carrier itself its own place. */
      readonly carrier?: SlotRef | undefined;
    }
  /**
   * What protects the media of one socket from now on, instead of what was said before; under SDES either socket stands
   * for both. Lists are latest first. Settings that name the kind of security come before.
   */
  | {
      readonly kind: "keys";
      /** `slot` is odd for the RTCP socket. */
      readonly at: SlotRef;
      readonly receive: readonly SrtpKey[];
      /** Undefined: nothing is sent. */
      readonly send: SrtpKey | undefined;
      /** Where the DTLS handshake was held that made these keys: they prove it. */
      readonly provenBy: Endpoint | undefined;
    }
  /** A check of ICE succeeded with this source: it may send. `isNominated`: and we send there from now on. */
  | {
      readonly kind: "prove";
      /** `slot` is odd for the RTCP socket. */
      readonly at: SlotRef;
      readonly source: Endpoint;
      readonly isNominated: boolean;
    }
  /** The party's consent is gone (RFC 7675 section 5.2): nothing is sent until `prove` nominates anew. */
  | { readonly kind: "revoke"; readonly at: SlotRef }
  /** What `prove` said so far is void: those who passed their checks in earlier sessions may not send any more. */
  | { readonly kind: "supersede"; readonly at: SlotRef }
  | { readonly kind: "close"; readonly at: SlotRef }
  | { readonly kind: "stop"; readonly at: SlotRef };

export function encodeCommand(words: Int32Array, offset: number, command: Command): void {
  words[offset + commandField.kind] = commandKind[command.kind];
  words[offset + commandField.slot] = command.at.slot;
  words[offset + commandField.generation] = command.at.generation;
  if (command.kind === "open") {
    words[offset + commandField.rtpHandle] = command.rtpHandle;
    words[offset + commandField.rtcpHandle] = command.rtcpHandle;
    words[offset + commandField.isV6] = command.local.ip.includes(":") ? 1 : 0;
    encodeEndpoint(words, offset + commandField.local, command.local);
  } else if (command.kind === "configure") {
    encodeSettings(words, offset + commandField.settings, command.settings, command);
  } else if (command.kind === "keys") {
    encodeEndpoint(words, offset + commandField.source, command.provenBy);
    encodeKeys(words, offset + commandField.keys, offset + commandWords, command.receive, command.send);
  } else if (command.kind === "prove") {
    encodeEndpoint(words, offset + commandField.source, command.source);
    words[offset + commandField.isNominated] = command.isNominated ? 1 : 0;
  }
}
