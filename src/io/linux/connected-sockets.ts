/**
 * A second socket for each busy port that joins no batch (`send-batch.ts`), at the same address and connected to where the
 * port sends. The kernel then looks up no route for each packet and finds the socket of each answer sooner, which is a
 * tenth of all a packet costs.
 *
 * The first socket stays as it is: what the target sends arrives at the second one, everybody else's packets at the
 * first, so a phone that moves is heard as before, and whoever reads either compares the source. When the port sends
 * elsewhere the second socket is left behind at once, and connected anew when the new place has proved busy too. It
 * is closed with the first one only: until then somebody may still send to it.
 */
import { close, connect, option, socketType } from "./libc.ts";
import { receiveBufferBytes, SocketCalls } from "./sockets.ts";

/**
 * Packets to one place that make a port busy. To join a batch costs a few system calls and most often no descriptor, so it
 * pays after a sixth of a second of speech; a second socket costs a descriptor and ten system calls, and is worth them
 * after two thirds.
 */
export const busyAfterPackets = { batched: 8, connected: 32 } as const;
/** In place of a count: this port gets no second socket before it sends elsewhere. */
const given = 255;
/** Ports that can wait for theirs; another one that becomes busy meanwhile is asked again later. */
const dueMax = 64;

export class ConnectedSockets {
  /** By slot, of those connected to where the slot sends now; 0: none. */
  readonly current: Int32Array;
  /** By slot; 0: none. */
  readonly descriptors: Int32Array;
  /** Packets the first socket has sent to where the slot sends now. */
  readonly #sent: Uint8Array;
  readonly #due = new Int32Array(dueMax);
  #dueCount = 0;
  readonly #calls = new SocketCalls();
  readonly #max: number;
  /** Packets after which a slot is due for the first time. */
  readonly #dueAfterPackets: number;
  #count = 0;

  /** `max`: as many at once; other ports go on without. `joinsBatches`: a slot is due for a batch first. */
  constructor(capacitySlots: number, max: number, joinsBatches = false) {
    this.current = new Int32Array(capacitySlots);
    this.descriptors = new Int32Array(capacitySlots);
    this.#sent = new Uint8Array(capacitySlots);
    this.#max = max;
    this.#dueAfterPackets = joinsBatches ? busyAfterPackets.batched : busyAfterPackets.connected;
  }

  /** The first socket sent a packet to the slot's target. RTCP is never busy. */
  noteSent(slot: number): void {
    const sent = this.#sent[slot]! + 1;
    if (sent > busyAfterPackets.connected || (slot & 1) !== 0) return;
    this.#sent[slot] = sent;
    if (sent !== this.#dueAfterPackets && sent !== busyAfterPackets.connected) return;
    if (this.#dueCount < dueMax) this.#due[this.#dueCount++] = slot;
    else this.#sent[slot] = 0;
  }

  /** The slot sends elsewhere from now on, or is closed. */
  leave(slot: number): void {
    this.current[slot] = 0;
    this.#sent[slot] = 0;
  }

  release(slot: number): void {
    this.leave(slot);
    const fd = this.descriptors[slot]!;
    if (fd === 0) return;
    close(fd);
    this.descriptors[slot] = 0;
    this.#count--;
  }

  /** A slot that became busy, or -1. One that joins no batch then is due once more for a second socket. */
  takeDue(): number {
    while (this.#dueCount > 0) {
      const slot = this.#due[--this.#dueCount]!;
      const sent = this.#sent[slot]!;
      // Else left, or even closed, since, or served.
      if (sent >= this.#dueAfterPackets && sent !== given) return slot;
    }
    return -1;
  }

  /** Whether the slot has sent enough to one place for a second socket; before that it goes on counting. */
  isWorthConnecting(slot: number): boolean {
    return this.#sent[slot]! >= busyAfterPackets.connected;
  }

  /**
   * Connects the slot's second socket to `address`, and makes it if there is none. `first`: the slot's other socket.
   * From now on it sends. A descriptor that is new and to be watched, 0 for one that was there, or -1 for none.
   */
  connect(slot: number, first: number, isV6: boolean, address: number, addressBytes: number): number {
    this.#sent[slot] = given;
    const former = this.descriptors[slot]!;
    const fd = former === 0 ? this.#open(first, isV6) : former;
    if (fd < 0) return fd;
    // One that fails stays connected as it was; a new one would take packets from the first.
    if (connect(fd, address, addressBytes) !== 0) {
      if (former === 0) close(fd);
      return -1;
    }
    this.current[slot] = fd;
    if (former !== 0) return 0;
    this.descriptors[slot] = fd;
    this.#count++;
    return fd;
  }

  /** Nobody would read it: the slot goes on without. */
  abandon(slot: number): void {
    this.release(slot);
    this.#sent[slot] = given;
  }

  /** A descriptor, or a negative number. */
  #open(first: number, isV6: boolean): number {
    if (this.#count >= this.#max) return -1;
    const calls = this.#calls;
    const fd = calls.openOf(isV6, socketType.datagram);
    if (fd < 0) return fd;
    const { level, reusePort, receiveBuffer } = option.socket;
    calls.set(fd, level, receiveBuffer, receiveBufferBytes);
    const family = isV6 ? option.ipv6 : option.ip;
    const tosName = isV6 ? option.ipv6.trafficClass : option.ip.tos;
    calls.set(fd, family.level, family.mtuDiscover, option.mtuDiscoverOff);
    const tos = calls.get(first, family.level, tosName);
    if (tos !== 0) calls.set(fd, family.level, tosName, tos);
    // For a moment: nobody else is to share the port, and one socket that would makes the kernel let others in.
    calls.set(fd, level, reusePort, 1);
    calls.set(first, level, reusePort, 1);
    const isBound = calls.bindBeside(fd, first);
    calls.set(first, level, reusePort, 0);
    calls.set(fd, level, reusePort, 0);
    if (isBound) return fd;
    close(fd);
    return -1;
  }
}
