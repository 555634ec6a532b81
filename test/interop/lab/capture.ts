/** What passes a host's network interface: tcpdump writes it down, and the UDP datagrams are read from its file. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "./lab.ts";
import type { HostName } from "./network.ts";
import type { Program } from "./process.ts";

export interface Datagram {
  readonly fromPort: number;
  readonly toPort: number;
  readonly bytes: Buffer;
}

/** The file's header and every packet's, and Ethernet's, in bytes. */
const sizes = { file: 24, packet: 16, ethernet: 14, udp: 8 };
const etherTypes = { v4: 0x0800, v6: 0x86dd };
const udpProtocol = 17;
/** Time for the kernel to hand over the last packets. */
const lingerMs = 300;

export class Capture {
  private readonly program: Program;
  private readonly file: string;

  private constructor(program: Program, file: string) {
    this.program = program;
    this.file = file;
  }

  static async start(lab: Lab, host: HostName): Promise<Capture> {
    const file = join(lab.folder, `${host}.pcap`);
    const options = ["-Z", "root", "-n", "-i", "eth0", "--immediate-mode", "-U", "-B", "16384", "-s", "0"];
    const program = await lab.program(host, `tcpdump-${host}`, ["tcpdump", ...options, "-w", file, "udp"]);
    await program.says("listening on", 5_000);
    return new Capture(program, file);
  }

  async stop(): Promise<readonly Datagram[]> {
    await new Promise((resolve) => setTimeout(resolve, lingerMs));
    await this.program.stop();
    return datagramsOf(readFileSync(this.file));
  }
}

function datagramsOf(pcap: Buffer): readonly Datagram[] {
  const found: Datagram[] = [];
  for (let at = sizes.file; at + sizes.packet <= pcap.length; ) {
    const size = pcap.readUInt32LE(at + 8);
    const frame = pcap.subarray(at + sizes.packet, at + sizes.packet + size);
    const datagram = udpOf(frame);
    if (datagram !== undefined) found.push(datagram);
    at += sizes.packet + size;
  }
  return found;
}

/** The datagram of an Ethernet frame; fragments, which media never is here, are left out. */
function udpOf(frame: Buffer): Datagram | undefined {
  const packet = frame.subarray(sizes.ethernet);
  const isV4 = frame.readUInt16BE(12) === etherTypes.v4;
  if (!isV4 && frame.readUInt16BE(12) !== etherTypes.v6) return undefined;
  if (isV4 && (packet.readUInt16BE(6) & 0x3fff) !== 0) return undefined;
  if (packet[isV4 ? 9 : 6] !== udpProtocol) return undefined;
  const udp = packet.subarray(isV4 ? ((packet[0] ?? 0) & 15) * 4 : 40);
  return {
    fromPort: udp.readUInt16BE(0),
    toPort: udp.readUInt16BE(2),
    bytes: udp.subarray(sizes.udp, udp.readUInt16BE(4)),
  };
}
