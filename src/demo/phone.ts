/** A phone for the demo: sends 20 ms G.711 packets from a socket of its own and counts what it hears. */
import { createSocket, type Socket } from "node:dgram";
import type { Endpoint, IpAddress } from "../core/address.ts";

const packetMs = 20;
const samplesPerPacket = 160;
const headerBytes = 12;
const toneHz = 440;

export class DemoPhone {
  readonly name: string;
  sent = 0;
  heard = 0;
  #highest = -1;
  #first = -1;
  readonly #socket: Socket;
  readonly #packet: Buffer = Buffer.alloc(headerBytes + samplesPerPacket);
  #timer: NodeJS.Timeout | undefined;

  private constructor(name: string, socket: Socket, ssrc: number) {
    this.name = name;
    this.#socket = socket;
    this.#packet.writeUInt8(0x80, 0);
    this.#packet.writeUInt32BE(ssrc, 8);
    socket.on("message", (message) => this.#hear(message));
  }

  static async open(name: string, ip: IpAddress, ssrc: number): Promise<DemoPhone> {
    const socket = createSocket("udp4");
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(0, ip, resolve);
    });
    return new DemoPhone(name, socket, ssrc);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Packets missing from the other phone's numbering, as far as it has been heard. */
  get lost(): number {
    return this.#first < 0 ? 0 : this.#highest - this.#first + 1 - this.heard;
  }

  talkTo(relay: Endpoint): void {
    const startMs = performance.now();
    this.#timer = setInterval(() => {
      while (this.sent * packetMs <= performance.now() - startMs) this.#say(relay);
    }, packetMs);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }

  #say(relay: Endpoint): void {
    const timestamp = this.sent * samplesPerPacket;
    this.#packet.writeUInt16BE(this.sent & 0xffff, 2);
    this.#packet.writeUInt32BE(timestamp >>> 0, 4);
    for (let sample = 0; sample < samplesPerPacket; sample++) {
      this.#packet[headerBytes + sample] = muLaw(
        Math.sin((2 * Math.PI * toneHz * (timestamp + sample)) / 8000) * 8000,
      );
    }
    this.#socket.send(Buffer.from(this.#packet), relay.port, relay.ip);
    this.sent++;
  }

  #hear(message: Buffer): void {
    if (message.length < headerBytes) return;
    const sequence = message.readUInt16BE(2);
    if (this.#first < 0) this.#first = sequence;
    this.#highest = Math.max(this.#highest, sequence);
    this.heard++;
  }
}

/** One 16-bit sample in mu-law (ITU-T G.711). */
function muLaw(sample: number): number {
  const bias = 132;
  const sign = sample < 0 ? 0x80 : 0;
  const magnitude = Math.min(32_635, Math.abs(Math.round(sample))) + bias;
  const exponent = Math.max(0, 31 - Math.clz32(magnitude) - 7);
  const mantissa = (magnitude >> (exponent + 3)) & 0x0f;
  return ~(sign | (exponent << 4) | mantissa) & 0xff;
}
