/**
 * The program that the kernel asks for every UDP datagram which no connected socket takes (BPF_PROG_TYPE_SK_LOOKUP, Linux
 * 5.9): where a flow (local and remote address and port) is in the table, its datagrams go to the socket named there. All
 * else goes the way it would have gone.
 */

/** How a flow is told in the table: addresses as IPv6, the local port as a number of this machine, the remote one as on the wire. */
export const flowKey = { localIp: 0, remoteIp: 16, localPort: 32, remotePort: 34, bytes: 36 } as const;

/** Fields of struct bpf_sk_lookup (linux/bpf.h). */
const context = {
  family: 8,
  protocol: 12,
  remoteIp4: 16,
  remoteIp6: 20,
  remotePort: 36,
  localIp4: 40,
  localIp6: 44,
  localPort: 60,
} as const;
const inet = 2;
const inet6 = 10;
const protocolUdp = 17;
/** 0xffff of an IPv4 address as IPv6, as a word of this machine. */
const mappedWord = 0xffff_0000 | 0;

/** Functions of the kernel (enum bpf_func_id). */
const helper = { lookup: 1, release: 86, assign: 124 } as const;
/** Registers: result, arguments, two that calls leave alone, and the end of the stack. */
const [r0, r1, r2, r3, r6, r7, stack] = [0, 1, 2, 3, 6, 7, 10];
const keyAt = -40;
const indexAt = -4;

/** One instruction, or the name of the place that the next one has; a jump names where it goes. */
interface Instruction {
  readonly code: number;
  readonly to?: number;
  readonly from?: number;
  readonly offset?: number;
  readonly jump?: Label;
  readonly value?: number;
}
type Label = "inet" | "find" | "pass";

const load = (to: number, from: number, offset: number): Instruction => ({ code: 0x61, to, from, offset });
const loadHalf = (to: number, from: number, offset: number): Instruction => ({
  code: 0x69,
  to,
  from,
  offset,
});
const store = (offset: number, from: number): Instruction => ({ code: 0x63, to: stack, from, offset });
const storeHalf = (offset: number, from: number): Instruction => ({ code: 0x6b, to: stack, from, offset });
const storeValue = (offset: number, value: number): Instruction => ({
  code: 0x62,
  to: stack,
  offset,
  value,
});
const move = (to: number, from: number): Instruction => ({ code: 0xbf, to, from });
const set = (to: number, value: number): Instruction => ({ code: 0xb7, to, value });
const add = (to: number, value: number): Instruction => ({ code: 0x07, to, value });
const jumpIf = (to: number, value: number, jump: Label): Instruction => ({ code: 0x15, to, value, jump });
const jumpUnless = (to: number, value: number, jump: Label): Instruction => ({ code: 0x55, to, value, jump });
const jump = (label: Label): Instruction => ({ code: 0x05, jump: label });
const call = (value: number): Instruction => ({ code: 0x85, value });
const exit: Instruction = { code: 0x95 };
/** A map by its descriptor: 64 bits, in two instructions. */
const setMap = (to: number, descriptor: number): readonly Instruction[] => [
  { code: 0x18, to, from: 1, value: descriptor },
  { code: 0 },
];

const four = [0, 4, 8, 12] as const;

const copyInet6: readonly Instruction[] = four.flatMap((at) => [
  load(r2, r6, context.localIp6 + at),
  store(keyAt + flowKey.localIp + at, r2),
  load(r2, r6, context.remoteIp6 + at),
  store(keyAt + flowKey.remoteIp + at, r2),
]);

function copyInet(field: number, at: number): readonly Instruction[] {
  return [
    storeValue(at, 0),
    storeValue(at + 4, 0),
    storeValue(at + 8, mappedWord),
    load(r2, r6, field),
    store(at + 12, r2),
  ];
}

/** `flows`: a map from `flowKey` to an index of `receivers`, a map of sockets. */
export function steeringProgram(flows: number, receivers: number): Uint8Array {
  return assemble([
    move(r6, r1),
    load(r2, r6, context.protocol),
    jumpUnless(r2, protocolUdp, "pass"),
    load(r2, r6, context.family),
    jumpIf(r2, inet, "inet"),
    jumpUnless(r2, inet6, "pass"),
    ...copyInet6,
    jump("find"),
    "inet",
    ...copyInet(context.localIp4, keyAt + flowKey.localIp),
    ...copyInet(context.remoteIp4, keyAt + flowKey.remoteIp),
    "find",
    load(r2, r6, context.localPort),
    storeHalf(keyAt + flowKey.localPort, r2),
    loadHalf(r2, r6, context.remotePort),
    storeHalf(keyAt + flowKey.remotePort, r2),
    ...lookUp(flows, keyAt),
    load(r2, r0, 0),
    store(indexAt, r2),
    ...lookUp(receivers, indexAt),
    move(r7, r0),
    move(r1, r6),
    move(r2, r0),
    set(r3, 0),
    call(helper.assign),
    move(r1, r7),
    call(helper.release),
    "pass",
    set(r0, 1),
    exit,
  ]);
}

/** The entry whose key is on the stack there, in r0; the program ends where there is none. */
function lookUp(map: number, at: number): readonly (Instruction | Label)[] {
  return [...setMap(r1, map), move(r2, stack), add(r2, at), call(helper.lookup), jumpIf(r0, 0, "pass")];
}

function assemble(source: readonly (Instruction | Label)[]): Uint8Array {
  const places = new Map<Label, number>();
  const instructions: Instruction[] = [];
  for (const item of source) {
    if (typeof item === "string") places.set(item, instructions.length);
    else instructions.push(item);
  }
  const bytes = new Uint8Array(8 * instructions.length);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, to = 0, from = 0, offset = 0, jump, value = 0 }] of instructions.entries()) {
    const at = 8 * index;
    view.setUint8(at, code);
    view.setUint8(at + 1, (from << 4) | to);
    view.setInt16(at + 2, jump === undefined ? offset : (places.get(jump) ?? 0) - index - 1, true);
    view.setInt32(at + 4, value, true);
  }
  return bytes;
}
