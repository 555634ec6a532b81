/**
 * Records from main to a worker, about TURN. Plan and replies share one ring: a client that has its answer meets what
 * the answer promised. Sockets and allocations go by numbers; addresses are words in network order.
 */
import { type Endpoint, type IpAddress, ipFromWords } from "../../core/address.ts";
import { packetSizeBytesMax } from "../../core/limits.ts";
import type { MonotonicMs } from "../../core/time.ts";
import type { AllocationId, PeerReach } from "../../turn/actions.ts";
import type { DataAllocation, DataChannel, DataGrant, DataPlace } from "../../turn/data-plan.ts";
import { encodeEndpoint } from "../slot-settings.ts";

export type TurnCommand =
  /** A listener or relay of this worker's; an unwatched one only sends. */
  | {
      readonly kind: "adopt";
      readonly socket: number;
      readonly handle: number;
      readonly isV6: boolean;
      readonly isWatched: boolean;
    }
  | { readonly kind: "watch"; readonly socket: number }
  /** `released` follows. */
  | { readonly kind: "release"; readonly socket: number }
  | ({ readonly kind: "attach" } & DataAllocation)
  | { readonly kind: "expect"; readonly allocation: AllocationId; readonly client: DataPlace }
  | { readonly kind: "move"; readonly allocation: AllocationId; readonly client: DataPlace | undefined }
  | { readonly kind: "detach"; readonly allocation: AllocationId }
  /**
   * Another worker has the allocation now. What its client sent here before it moved may still wait in a listener, so
   * `detach`, and `release` of its relays, come about after these have been looked at once more.
   */
  | {
      readonly kind: "retire";
      readonly allocation: AllocationId;
      readonly relayV4: number | undefined;
      readonly relayV6: number | undefined;
    }
  | ({ readonly kind: "permit"; readonly allocation: AllocationId; readonly ip: IpAddress } & DataGrant)
  | { readonly kind: "forbid"; readonly allocation: AllocationId; readonly ip: IpAddress }
  | ({ readonly kind: "bind"; readonly allocation: AllocationId } & DataChannel)
  | { readonly kind: "unbind"; readonly allocation: AllocationId; readonly channel: number }
  /** From a listener. */
  | { readonly kind: "reply"; readonly socket: number; readonly to: Endpoint; readonly bytes: Uint8Array }
  /** A message out of a client's stream, whose number `socket` is. */
  | { readonly kind: "feed"; readonly socket: number; readonly bytes: Uint8Array }
  | { readonly kind: "control-ports"; readonly ports: readonly number[] };

export const turnCommandKind = {
  adopt: 1,
  watch: 2,
  release: 3,
  attach: 4,
  expect: 5,
  move: 6,
  detach: 7,
  permit: 8,
  forbid: 9,
  bind: 10,
  unbind: 11,
  reply: 12,
  feed: 13,
  "control-ports": 14,
  retire: 15,
} as const satisfies Record<TurnCommand["kind"], number>;

/** Each kind has the fields that follow `subject` to itself. */
export const turnField = {
  kind: 0,
  /** A socket, or an allocation. */
  subject: 1,
  handle: 2,
  isV6: 3,
  isWatched: 4,
  /** A place of a client: whether it is there, its socket, whether it has an address, and that. */
  place: 2,
  relayV4: 10,
  relayV6: 11,
  account: 12,
  allocationRate: 13,
  userRate: 15,
  /** Permissions and channels: five words of a peer. */
  peer: 2,
  untilMs: 7,
  reach: 9,
  channel: 9,
  /** Bytes, and where they go. */
  sizeBytes: 2,
  to: 3,
  bytes: 8,
  portCount: 2,
  ports: 3,
} as const;

/** 32-bit words of one record. */
export const turnCommandWords = turnField.bytes + Math.ceil(packetSizeBytesMax / 4);
const controlPortsMax = turnCommandWords - turnField.ports;

const reaches: readonly PeerReach[] = ["any", "own-ports", "not-control"];

/** One double as two words. */
const double = new Float64Array(1);
const halves = new Int32Array(double.buffer);

function writeDouble(words: Int32Array, at: number, value: number): void {
  double[0] = value;
  words[at] = halves[0]!;
  words[at + 1] = halves[1]!;
}

function readDouble(words: Int32Array, at: number): number {
  halves[0] = words[at]!;
  halves[1] = words[at + 1]!;
  return double[0]!;
}

function writeBytes(words: Int32Array, record: number, bytes: Uint8Array): void {
  words[record + turnField.sizeBytes] = bytes.length;
  new Uint8Array(words.buffer, words.byteOffset + 4 * (record + turnField.bytes), bytes.length).set(bytes);
}

export function encodeTurnCommand(words: Int32Array, at: number, command: TurnCommand): void {
  words[at + turnField.kind] = turnCommandKind[command.kind];
  switch (command.kind) {
    case "adopt":
      words[at + turnField.subject] = command.socket;
      words[at + turnField.handle] = command.handle;
      words[at + turnField.isV6] = command.isV6 ? 1 : 0;
      words[at + turnField.isWatched] = command.isWatched ? 1 : 0;
      break;
    case "watch":
    case "release":
      words[at + turnField.subject] = command.socket;
      break;
    case "reply":
      words[at + turnField.subject] = command.socket;
      encodeEndpoint(words, at + turnField.to, command.to);
      writeBytes(words, at, command.bytes);
      break;
    case "feed":
      words[at + turnField.subject] = command.socket;
      writeBytes(words, at, command.bytes);
      break;
    case "control-ports":
      encodePorts(words, at, command.ports);
      break;
    default:
      words[at + turnField.subject] = command.allocation;
      encodePlan(words, at, command);
  }
}

type PlanCommand = Extract<TurnCommand, { readonly allocation: AllocationId }>;

function encodePlan(words: Int32Array, at: number, command: PlanCommand): void {
  switch (command.kind) {
    case "attach":
      writePlace(words, at, command.client);
      words[at + turnField.relayV4] = command.relayV4 ?? -1;
      words[at + turnField.relayV6] = command.relayV6 ?? -1;
      words[at + turnField.account] = command.account;
      writeDouble(words, at + turnField.allocationRate, command.allocationBytesPerSec);
      writeDouble(words, at + turnField.userRate, command.userBytesPerSec);
      break;
    case "retire":
      words[at + turnField.relayV4] = command.relayV4 ?? -1;
      words[at + turnField.relayV6] = command.relayV6 ?? -1;
      break;
    case "expect":
    case "move":
      writePlace(words, at, command.client);
      break;
    case "permit":
      encodeEndpoint(words, at + turnField.peer, { ip: command.ip, port: 0 });
      writeDouble(words, at + turnField.untilMs, command.untilMs);
      words[at + turnField.reach] = reaches.indexOf(command.reach);
      break;
    case "forbid":
      encodeEndpoint(words, at + turnField.peer, { ip: command.ip, port: 0 });
      break;
    case "bind":
      encodeEndpoint(words, at + turnField.peer, command.peer);
      writeDouble(words, at + turnField.untilMs, command.untilMs);
      words[at + turnField.channel] = command.channel;
      break;
    case "unbind":
      words[at + turnField.channel] = command.channel;
      break;
    case "detach":
      break;
  }
}

function encodePorts(words: Int32Array, at: number, ports: readonly number[]): void {
  if (ports.length > controlPortsMax) throw new Error("turn records: more control ports than sockets");
  words[at + turnField.portCount] = ports.length;
  words.set(ports, at + turnField.ports);
}

export function decodePorts(words: Int32Array, at: number): readonly number[] {
  const first = at + turnField.ports;
  return [...words.subarray(first, first + words[at + turnField.portCount]!)];
}

function writePlace(words: Int32Array, at: number, place: DataPlace | undefined): void {
  const start = at + turnField.place;
  words[start] = place === undefined ? 0 : 1;
  words[start + 1] = place?.socket ?? 0;
  words[start + 2] = place?.remote === undefined ? 0 : 1;
  encodeEndpoint(words, start + 3, place?.remote);
}

export function decodePlace(words: Int32Array, at: number): DataPlace | undefined {
  const start = at + turnField.place;
  if (words[start] === 0) return undefined;
  const remote = words[start + 2] === 0 ? undefined : decodeEndpoint(words, start + 3);
  return { socket: words[start + 1]!, remote };
}

function decodeEndpoint(words: Int32Array, at: number): Endpoint {
  const ip = ipFromWords(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!);
  return { ip, port: words[at + 4]! };
}

/** The number an `attach` and what follows is about. */
export function decodeAllocation(words: Int32Array, at: number): AllocationId {
  return (words[at + turnField.subject]! >>> 0) as AllocationId;
}

export function decodeAttach(words: Int32Array, at: number, client: DataPlace): DataAllocation {
  const relayOf = (field: number): number | undefined =>
    words[at + field]! < 0 ? undefined : words[at + field]!;
  return {
    allocation: decodeAllocation(words, at),
    client,
    relayV4: relayOf(turnField.relayV4),
    relayV6: relayOf(turnField.relayV6),
    account: words[at + turnField.account]!,
    allocationBytesPerSec: readDouble(words, at + turnField.allocationRate),
    userBytesPerSec: readDouble(words, at + turnField.userRate),
  };
}

/** Those that are there. */
export function decodeRelays(words: Int32Array, at: number): readonly number[] {
  return [words[at + turnField.relayV4]!, words[at + turnField.relayV6]!].filter((socket) => socket >= 0);
}

export function decodePeer(words: Int32Array, at: number): Endpoint {
  return decodeEndpoint(words, at + turnField.peer);
}

export function decodeGrant(words: Int32Array, at: number): DataGrant {
  const untilMs = readDouble(words, at + turnField.untilMs) as MonotonicMs;
  return { reach: reaches[words[at + turnField.reach]!] ?? "own-ports", untilMs };
}

export function decodeChannel(words: Int32Array, at: number): DataChannel {
  const untilMs = readDouble(words, at + turnField.untilMs) as MonotonicMs;
  return { channel: words[at + turnField.channel]!, peer: decodePeer(words, at), untilMs };
}

/** Records of a worker to main. `subject`: a socket whose descriptor is closed, or an allocation whose client moved. */
export const turnEventKind = { released: 1, moved: 2 } as const;
export const turnEventField = { kind: 0, subject: 1 } as const;
