/**
 * A worker's sockets on Linux: descriptors in an epoll set, one prepared target address per slot. Packets of a busy slot
 * leave together with others' (`send-batch.ts`) and are read together with theirs (`receive-batch.ts`), or it has a second
 * socket (`connected-sockets.ts`); the set names that one by its slot and `secondBit`, and those of many slots by `sharedBit`.
 */
import { type SocketPort, sendCode } from "../../relay/driver.ts";
import type { Arena } from "./arena.ts";
import { ConnectedSockets } from "./connected-sockets.ts";
import { failureOf, isPassing, isQueueFull, sendFlags } from "./datagram-flags.ts";
import {
  type BoxedNumbers,
  close,
  epoll,
  epollControl,
  epollCreate,
  errno,
  errnoName,
  sendto,
  socketAddress,
} from "./libc.ts";
import { ReceiveBatch, receiveBatchBytes } from "./receive-batch.ts";
import { SendBatch, sendBatchBytes, sendBatchPlaces } from "./send-batch.ts";
import { isOfFamily, readSocketIp, writeSocketAddress } from "./sockets.ts";
import type { SteeringShare } from "./steering.ts";

/** Entries of the numbers given to calls. */
const boxed = { target: 1, event: 2 } as const;

/** Of the number under which the epoll set knows a slot's second socket. */
export const secondBit = 1 << 30;
/** The same of the sockets that busy slots share; with it comes 0 for the one of IPv4 and 1 for that of IPv6. */
export const sharedBit = 1 << 29;

export interface SocketsParts {
  readonly arena: Arena;
  readonly capacitySlots: number;
  /** Second sockets at once. */
  readonly secondSocketsMax: number;
  /** Packets of busy ports leave together, where the process may open raw sockets. */
  readonly batches: boolean;
  /** They are read together too; undefined: each by its own socket. */
  readonly steering?: SteeringShare | undefined;
  /** The worker's own counters. */
  readonly worker: Float64Array;
}

export class EpollSockets implements SocketPort {
  readonly epoll: number;
  /** By slot; 0 is no socket (descriptor 0 is standard input). */
  readonly descriptors: Int32Array;
  /** The same of second sockets. */
  readonly seconds: Int32Array;
  readonly #arena: Arena;
  /** Has the place that the loop receives into; sending from there is the common case. */
  readonly batch: SendBatch;
  readonly shared: ReceiveBatch;
  /** Told of a slot whose packet waited with others and could not be sent, with the code of `sendCode`. */
  onUnsent: (slot: number, code: number) => void = () => undefined;
  readonly #boxed: BoxedNumbers;
  readonly #event: number;
  readonly #target: number;
  readonly #targets: number;
  readonly #isV6: Uint8Array;
  readonly #generations: Int32Array;
  readonly #connected: ConnectedSockets;
  /** Of those. */
  readonly #current: Int32Array;

  constructor(parts: SocketsParts) {
    const { arena, capacitySlots, secondSocketsMax, batches, steering, worker } = parts;
    this.#arena = arena;
    this.batch = new SendBatch({
      arena,
      capacitySlots,
      isOn: batches,
      worker,
      sendAlone: (slot, offset, sizeBytes) => {
        const code = this.#sendNow(slot, arena.address + offset, sizeBytes);
        if (code > sendCode.sentOnRetry) this.onUnsent(slot, code);
      },
    });
    const { places } = this.batch;
    this.shared = new ReceiveBatch({ arena, capacitySlots, places, steering, worker });
    this.#event = arena.reserve(epoll.eventBytes);
    this.#target = arena.reserve(socketAddress.slotBytes);
    const offsets = [this.#target, this.#event];
    this.#boxed = [null, ...offsets.map((offset) => arena.address + offset)];
    this.#targets = arena.reserve(capacitySlots * socketAddress.slotBytes);
    this.descriptors = new Int32Array(capacitySlots);
    this.#isV6 = new Uint8Array(capacitySlots);
    this.#generations = new Int32Array(capacitySlots);
    this.#connected = new ConnectedSockets(capacitySlots, secondSocketsMax, batches);
    this.seconds = this.#connected.descriptors;
    this.#current = this.#connected.current;
    this.epoll = epollCreate(epoll.cloexec);
    if (this.epoll < 0) throw new Error(`epoll_create1: ${errnoName(errno())}`);
    for (const [index, fd] of this.shared.descriptors.entries()) {
      if (fd >= 0 && !this.watch(fd, sharedBit | index, 0))
        throw new Error(`epoll_ctl: ${errnoName(errno())}`);
    }
  }

  /** The end: every socket has been released. */
  close(): void {
    this.shared.close();
    close(this.epoll);
  }

  /**
   * Watches a descriptor; `slot` and `generation` come back with its events. False: the kernel has no room for
   * another one, with the reason in errno.
   */
  watch(descriptor: number, slot: number, generation: number): boolean {
    const { view } = this.#arena;
    view.setUint32(this.#event, epoll.readable, true);
    view.setInt32(this.#event + epoll.dataOffset, slot, true);
    view.setInt32(this.#event + epoll.dataOffset + 4, generation, true);
    return epollControl(this.epoll, epoll.add, descriptor, this.#boxed[boxed.event]!) === 0;
  }

  adopt(slot: number, generation: number, handle: number, isV6: boolean): boolean {
    this.descriptors[slot] = handle;
    this.#isV6[slot] = isV6 ? 1 : 0;
    this.#generations[slot] = generation;
    return this.watch(handle, slot, generation);
  }

  /** Closing a descriptor takes it out of the epoll set. */
  release(slot: number): void {
    this.shared.release(slot);
    this.batch.close(slot);
    this.#connected.release(slot);
    close(this.descriptors[slot]!);
    this.descriptors[slot] = 0;
  }

  /** A slot that is to send faster (`batchOrConnect`), or -1. */
  takeBusy(): number {
    return this.#connected.takeDue();
  }

  /**
   * The slot's packets leave with others' from now on. Where that cannot be, and it has sent enough for that, a second socket
   * is connected to where the slot sends, and sends: true. Then what came to the first socket has to be read before the next
   * wait, or later packets would overtake it.
   */
  batchOrConnect(slot: number): boolean {
    if (!this.batch.open(slot, this.descriptors[slot]!)) {
      return this.#connected.isWorthConnecting(slot) && this.#connect(slot);
    }
    this.#connected.leave(slot);
    // The batch learns where the slot sends already.
    const { ip, port } = this.#targetOf(slot);
    this.batch.setTarget(slot, ip[0]!, ip[1]!, ip[2]!, ip[3]!, port);
    this.shared.request(slot);
    return false;
  }

  /** A slot whose packets are to be read with others' (`share`), or -1. */
  takeUnshared(): number {
    return this.shared.takeDue();
  }

  /** What comes from where the slot sends is read with others' from now on. As for `batchOrConnect`. */
  share(slot: number): boolean {
    const { ip, port } = this.#targetOf(slot);
    return this.shared.take(slot, this.descriptors[slot]!, ip, port);
  }

  #targetOf(slot: number): { readonly ip: Int32Array; readonly port: number } {
    const { view } = this.#arena;
    const at = this.#targets + slot * socketAddress.slotBytes;
    const ip = new Int32Array(4);
    readSocketIp(view, at, ip);
    return { ip, port: view.getUint16(at + socketAddress.port) };
  }

  #connect(slot: number): boolean {
    const isV6 = this.#isV6[slot] === 1;
    const target = this.#arena.address + this.#targets + slot * socketAddress.slotBytes;
    const made = this.#connected.connect(slot, this.descriptors[slot]!, isV6, target, addressBytes(isV6));
    if (made > 0 && !this.watch(made, slot | secondBit, this.#generations[slot]!)) {
      this.#connected.abandon(slot);
      return false;
    }
    return made >= 0;
  }

  setTarget(slot: number, ip0: number, ip1: number, ip2: number, ip3: number, port: number): boolean {
    const isV6 = this.#isV6[slot] === 1;
    if (!isOfFamily(isV6, ip0, ip1, ip2)) return false;
    // What waits leaves first: should no raw socket take it, it goes by the slot's own to where that sends.
    if (this.batch.has(slot)) this.batch.send();
    const { view } = this.#arena;
    const at = this.#targets + slot * socketAddress.slotBytes;
    const sizeBytes = writeSocketAddress(view, this.#target, isV6, ip0, ip1, ip2, ip3, port);
    if (isSameAddress(view, this.#target, at, sizeBytes)) return true;
    copyAddress(view, this.#target, at, sizeBytes);
    this.#connected.leave(slot);
    this.batch.setTarget(slot, ip0, ip1, ip2, ip3, port);
    if (this.batch.has(slot)) this.shared.request(slot);
    return true;
  }

  send(slot: number, offset: number, sizeBytes: number): number {
    const { batch } = this;
    const packet = offset === batch.offset ? batch.address : this.#arena.address + offset;
    if (batch.has(slot) && batch.add(slot, offset, sizeBytes)) return sendCode.sent;
    return this.#sendNow(slot, packet, sizeBytes);
  }

  /** By the slot's own socket. `packet`: its address. */
  #sendNow(slot: number, packet: number, sizeBytes: number): number {
    const { view } = this.#arena;
    const second = this.#current[slot]!;
    if (second !== 0) {
      if (sendto(second, packet, sizeBytes, sendFlags, 0, 0) >= 0) return sendCode.sent;
      return this.#sendAgain(second, packet, sizeBytes, 0, 0);
    }
    const targetBytes = addressBytes(this.#isV6[slot] === 1);
    // Copied to one place, whose address is boxed already; the targets' own addresses are not.
    copyAddress(view, this.#targets + slot * socketAddress.slotBytes, this.#target, targetBytes);
    // A second socket would hear what is read with others', all for the few packets that no batch takes.
    if (!this.batch.has(slot)) this.#connected.noteSent(slot);
    const fd = this.descriptors[slot]!;
    const target = this.#boxed[boxed.target]!;
    if (sendto(fd, packet, sizeBytes, sendFlags, target, targetBytes) >= 0) return sendCode.sent;
    return this.#sendAgain(fd, packet, sizeBytes, target, targetBytes);
  }

  sendTo(
    slot: number,
    offset: number,
    sizeBytes: number,
    ip0: number,
    ip1: number,
    ip2: number,
    ip3: number,
    port: number,
  ): number {
    const isV6 = this.#isV6[slot] === 1;
    if (!isOfFamily(isV6, ip0, ip1, ip2)) return sendCode.failed;
    // In the order in which they came.
    if (this.batch.has(slot)) this.batch.send();
    const { view, address } = this.#arena;
    const targetBytes = writeSocketAddress(view, this.#target, isV6, ip0, ip1, ip2, ip3, port);
    const fd = this.descriptors[slot]!;
    const packet = address + offset;
    const target = this.#boxed[boxed.target]!;
    if (sendto(fd, packet, sizeBytes, sendFlags, target, targetBytes) >= 0) return sendCode.sent;
    return this.#sendAgain(fd, packet, sizeBytes, target, targetBytes);
  }

  /**
   * Once more, if that can help. A socket that is connected (`target` is 0) is told of all ICMP errors of earlier packets,
   * such as a firewall's EHOSTUNREACH, and each is gone once reported.
   */
  #sendAgain(fd: number, packet: number, sizeBytes: number, target: number, targetBytes: number): number {
    let code = errno();
    if (isPassing(code) || (target === 0 && !isQueueFull(code))) {
      if (sendto(fd, packet, sizeBytes, sendFlags, target, targetBytes) >= 0) return sendCode.sentOnRetry;
      code = errno();
    }
    return failureOf(code);
  }
}

/** Bytes of the arena `EpollSockets` needs. */
export function socketsBytes(capacitySlots: number): number {
  return capacitySlots * socketAddress.slotBytes + sendBatchBytes + receiveBatchBytes(sendBatchPlaces) + 256;
}

function addressBytes(isV6: boolean): number {
  return isV6 ? socketAddress.inet6Bytes : socketAddress.inetBytes;
}

function isSameAddress(view: DataView, a: number, b: number, sizeBytes: number): boolean {
  for (let at = 0; at < sizeBytes; at += 4) {
    if (view.getInt32(a + at, true) !== view.getInt32(b + at, true)) return false;
  }
  return true;
}

function copyAddress(view: DataView, from: number, to: number, sizeBytes: number): void {
  for (let at = 0; at < sizeBytes; at += 4) view.setInt32(to + at, view.getInt32(from + at, true), true);
}
