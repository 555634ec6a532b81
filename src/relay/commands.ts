/** The binary records main sends to a worker. Every record names a pair by its RTP slot and generation. */
import type { Endpoint } from "../core/address.ts";
import type { PairSettings } from "../core/plan/plan.ts";
import { commandWords } from "./driver.ts";
import { encodeEndpoint, encodeSettings, type SlotRef, settingsWords } from "./slot-settings.ts";

export const commandKind = { open: 1, configure: 2, close: 3, stop: 4 } as const;

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
    }
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
    encodeSettings(words, offset + commandField.settings, command.settings, command.peer, command.siblings);
  }
}
