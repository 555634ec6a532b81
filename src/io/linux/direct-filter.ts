/**
 * Has the kernel drop what is sent to a socket's own address (SO_ATTACH_FILTER), before it takes room in the queue: for a
 * socket that is given datagrams of other addresses, and bound only because it has to be.
 */
import { Arena } from "./arena.ts";
import { option, setsockopt } from "./libc.ts";
import { writeAddress } from "./message-vector.ts";
import { inet6Headers, inetHeaders, type LocalPlace } from "./packet-headers.ts";

/** struct sock_fprog and struct sock_filter (linux/filter.h); classic BPF reads numbers as on the wire. */
const program = { address: 8, bytes: 16 } as const;
const instructionBytes = 8;
const code = { load: 0x20, loadHalf: 0x28, jumpIfEqual: 0x15, return: 0x06 } as const;
/** SKF_NET_OFF: counted from the IP header; other offsets are counted from the UDP header. */
const ipHeader = -0x100000;
const targetPort = 2;

/** False, and errno tells why. `own`: where the socket is bound. */
export function dropDirect(fd: number, { isV6, ip, port }: LocalPlace): boolean {
  const words = isV6 ? [...ip] : ip.slice(3);
  const at = ipHeader + (isV6 ? inet6Headers : inetHeaders).target;
  // The port first: it tells nearly all apart.
  const fields = [
    { load: code.loadHalf, from: targetPort, value: port },
    ...Array.from(words, (value, index) => ({ load: code.load, from: at + 4 * index, value })),
  ];
  const count = 2 * fields.length + 2;
  const arena = new Arena(program.bytes + count * instructionBytes + 128);
  const filter = arena.reserve(program.bytes);
  const instructions = arena.reserve(count * instructionBytes);
  arena.view.setUint16(filter, count, true);
  writeAddress(arena, filter + program.address, instructions);
  const write = (index: number, operation: number, unless: number, value: number): void => {
    const place = instructions + index * instructionBytes;
    arena.view.setUint16(place, operation, true);
    arena.view.setUint8(place + 3, unless);
    arena.view.setInt32(place + 4, value, true);
  };
  for (const [index, { load, from, value }] of fields.entries()) {
    write(2 * index, load, 0, from);
    // To the last instruction.
    write(2 * index + 1, code.jumpIfEqual, count - 1 - (2 * index + 2), value);
  }
  write(count - 2, code.return, 0, 0);
  write(count - 1, code.return, 0, -1);
  const { level, attachFilter } = option.socket;
  return setsockopt(fd, level, attachFilter, arena.address + filter, program.bytes) === 0;
}
