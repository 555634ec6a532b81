/** Sockets of node:dgram behind the interface the relay's core knows. */
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type Endpoint, familyOf, type IpAddress, ipFromWords } from "../../core/address.ts";
import { type BindResult, type SocketPort, sendCode } from "../../relay/driver.ts";

/** Half a second of 4 Mbit/s video; the kernel's default loses packets while the process is busy. */
const receiveBufferBytes = 256 * 1024;

/** Datagrams of one socket the kernel has not taken yet; more are refused, as a full queue would. */
const pendingSendsMax = 64;

type BindFailure = (BindResult & { readonly ok: false })["reason"];

export interface DgramSocketsParts {
  readonly arena: Uint8Array;
  readonly capacitySlots: number;
  onDatagram(slot: number, data: Uint8Array, source: RemoteInfo): void;
  /** A datagram that counted as sent and was not. */
  onSendFailure(slot: number): void;
}

export class DgramSockets implements SocketPort {
  readonly #parts: DgramSocketsParts;
  /** Bound and not yet adopted, by handle. */
  readonly #bound = new Map<number, Socket>();
  readonly #sockets = new Map<number, Socket>();
  readonly #targetIps = new Map<number, IpAddress>();
  readonly #targetPorts: Uint16Array;
  readonly #pendingSends: Uint8Array;
  readonly #isV6: Uint8Array;
  #lastHandle = 0;

  constructor(parts: DgramSocketsParts) {
    this.#parts = parts;
    this.#targetPorts = new Uint16Array(parts.capacitySlots);
    this.#pendingSends = new Uint8Array(parts.capacitySlots);
    this.#isV6 = new Uint8Array(parts.capacitySlots);
  }

  /** Both sockets or none. */
  async bindPair(ip: IpAddress, port: number): Promise<BindResult> {
    const [rtp, rtcp] = await Promise.all([bindOne(ip, port), bindOne(ip, port + 1)]);
    if (typeof rtp !== "string" && typeof rtcp !== "string") {
      return { ok: true, rtpHandle: this.#keep(rtp), rtcpHandle: this.#keep(rtcp) };
    }
    if (typeof rtp !== "string") rtp.close();
    if (typeof rtcp !== "string") rtcp.close();
    return { ok: false, reason: typeof rtp === "string" ? rtp : (rtcp as BindFailure) };
  }

  discard(handle: number): void {
    this.#bound.get(handle)?.close();
    this.#bound.delete(handle);
  }

  /** Closes what was bound and never adopted. */
  discardAll(): void {
    for (const handle of [...this.#bound.keys()]) this.discard(handle);
  }

  adopt(slot: number, _generation: number, handle: number, isV6: boolean): boolean {
    const socket = this.#bound.get(handle);
    if (socket === undefined) throw new Error(`dgram: there is no socket ${handle}`);
    this.#bound.delete(handle);
    this.#sockets.set(slot, socket);
    this.#isV6[slot] = isV6 ? 1 : 0;
    this.#pendingSends[slot] = 0;
    socket.on("message", (data, source) => this.#parts.onDatagram(slot, data, source));
    return true;
  }

  release(slot: number): void {
    this.#sockets.get(slot)?.close();
    this.#sockets.delete(slot);
    this.#targetIps.delete(slot);
  }

  // biome-ignore lint/complexity/useMaxParams: an endpoint is five numbers, as on every packet path.
  setTarget(slot: number, ip0: number, ip1: number, ip2: number, ip3: number, port: number): boolean {
    const ip = ipFromWords(ip0, ip1, ip2, ip3);
    if ((familyOf(ip) === 6) !== (this.#isV6[slot] === 1)) return false;
    this.#targetIps.set(slot, ip);
    this.#targetPorts[slot] = port;
    return true;
  }

  send(slot: number, offset: number, sizeBytes: number): number {
    const ip = this.#targetIps.get(slot);
    return ip === undefined
      ? sendCode.failed
      : this.#send(slot, offset, sizeBytes, { ip, port: this.#targetPorts[slot] ?? 0 });
  }

  // biome-ignore lint/complexity/useMaxParams: a place and an endpoint, as on every packet path.
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
    const ip = ipFromWords(ip0, ip1, ip2, ip3);
    if ((familyOf(ip) === 6) !== (this.#isV6[slot] === 1)) return sendCode.failed;
    return this.#send(slot, offset, sizeBytes, { ip, port });
  }

  #send(slot: number, offset: number, sizeBytes: number, to: Endpoint): number {
    const socket = this.#sockets.get(slot);
    const pending = this.#pendingSends[slot] ?? 0;
    if (socket === undefined || pending >= pendingSendsMax) return sendCode.queueFull;
    this.#pendingSends[slot] = pending + 1;
    // The arena's bytes are overwritten by the next datagram, and the kernel may take these later.
    const copy = this.#parts.arena.slice(offset, offset + sizeBytes);
    socket.send(copy, to.port, to.ip, (error) => {
      if (this.#sockets.get(slot) !== socket) return;
      this.#pendingSends[slot] = (this.#pendingSends[slot] ?? 1) - 1;
      if (error !== null) this.#parts.onSendFailure(slot);
    });
    return sendCode.sent;
  }

  #keep(socket: Socket): number {
    this.#lastHandle++;
    this.#bound.set(this.#lastHandle, socket);
    return this.#lastHandle;
  }
}

/** Targets are addresses already; asking the resolver would cost a thread and a tick per datagram. */
function noLookup(
  host: string,
  _options: unknown,
  done: (error: null, address: string, family: number) => void,
): void {
  done(null, host, host.includes(":") ? 6 : 4);
}

function bindOne(ip: IpAddress, port: number): Promise<Socket | BindFailure> {
  return new Promise((resolve) => {
    const isV6 = familyOf(ip) === 6;
    const socket = createSocket({
      type: isV6 ? "udp6" : "udp4",
      ipv6Only: isV6,
      recvBufferSize: receiveBufferBytes,
      lookup: noLookup,
    });
    const refuse = (error: Error): void => {
      socket.close();
      resolve(bindFailure((error as NodeJS.ErrnoException).code));
    };
    socket.once("error", refuse);
    socket.bind({ address: ip, port, exclusive: true }, () => {
      socket.off("error", refuse);
      // Errors after this concern single datagrams and are counted where they are sent.
      socket.on("error", () => undefined);
      resolve(socket);
    });
  });
}

function bindFailure(code: string | undefined): BindFailure {
  if (code === "EMFILE" || code === "ENFILE" || code === "ENOBUFS") return "no-descriptors";
  return code === "EADDRNOTAVAIL" ? "no-address" : "port-taken";
}
