/** A worker's part of the table of flows: which slots' datagrams come by the shared sockets, and which slot has a port. */
import { BpfCalls } from "./bpf.ts";
import type { LocalPlace } from "./packet-headers.ts";
import { receiverIndex, type SteeringShare } from "./steering.ts";
import { flowKey } from "./steering-program.ts";

/** Local addresses of a worker's flows; slots at further ones go without. */
const addressesMax = 16;
const ports = 65_536;

/** Slots by port at one local address; 0: none, else the slot and one. */
interface AddressPorts {
  readonly ip: Int32Array;
  readonly slots: Int32Array;
}

export class FlowTable {
  readonly #calls = new BpfCalls();
  readonly #maps: SteeringShare["maps"];
  readonly #worker: number;
  readonly #addresses: AddressPorts[] = [];
  /** Keys in the kernel's table, by slot. */
  readonly #keys = new Map<number, Uint8Array>();
  readonly #places = new Map<number, { readonly slots: Int32Array; readonly port: number }>();

  constructor({ maps, worker }: SteeringShare) {
    this.#maps = maps;
    this.#worker = worker;
  }

  /** The slot at this place, or -1. Words as of `ipToWords`. No allocation. */
  slotAt(ip0: number, ip1: number, ip2: number, ip3: number, port: number): number {
    for (let index = 0; index < this.#addresses.length; index++) {
      const { ip, slots } = this.#addresses[index]!;
      if (ip[3] === ip3 && ip[2] === ip2 && ip[1] === ip1 && ip[0] === ip0) return slots[port]! - 1;
    }
    return -1;
  }

  /** What `remote` sends to the slot comes by the shared socket from now on. False: it cannot. */
  add(slot: number, local: LocalPlace, remote: Int32Array, remotePort: number): boolean {
    this.release(slot);
    const slots = this.#portsAt(local.ip);
    if (slots === undefined) return false;
    const { key } = this.#calls;
    for (let word = 0; word < 4; word++) {
      key.setInt32(flowKey.localIp + 4 * word, local.ip[word]!);
      key.setInt32(flowKey.remoteIp + 4 * word, remote[word]!);
    }
    key.setUint16(flowKey.localPort, local.port, true);
    key.setUint16(flowKey.remotePort, remotePort);
    if (!this.#calls.update(this.#maps.flows, receiverIndex(this.#worker, local.isV6))) return false;
    this.#keys.set(slot, new Uint8Array(key.buffer, key.byteOffset, flowKey.bytes).slice());
    slots[local.port] = slot + 1;
    this.#places.set(slot, { slots, port: local.port });
    return true;
  }

  /** The slot's datagrams come by its own socket from now on; those that wait at the shared one are still its own. */
  remove(slot: number): void {
    const key = this.#keys.get(slot);
    if (key === undefined) return;
    this.#keys.delete(slot);
    const { buffer, byteOffset } = this.#calls.key;
    new Uint8Array(buffer, byteOffset, flowKey.bytes).set(key);
    this.#calls.remove(this.#maps.flows);
  }

  /** The slot is closed: what still waits for it is nobody's. */
  release(slot: number): void {
    this.remove(slot);
    const place = this.#places.get(slot);
    if (place === undefined) return;
    place.slots[place.port] = 0;
    this.#places.delete(slot);
  }

  /** Offers the worker's socket of a family to the kernel's program. False, and errno tells why. */
  setReceiver(fd: number, isV6: boolean): boolean {
    this.#calls.key.setInt32(0, receiverIndex(this.#worker, isV6), true);
    return this.#calls.update(this.#maps.receivers, fd);
  }

  #portsAt(ip: Int32Array): Int32Array | undefined {
    const known = this.#addresses.find((address) => address.ip.every((word, index) => word === ip[index]));
    if (known !== undefined) return known.slots;
    if (this.#addresses.length === addressesMax) return undefined;
    const slots = new Int32Array(ports);
    this.#addresses.push({ ip: ip.slice(), slots });
    return slots;
  }
}
