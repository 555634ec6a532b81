/** Parties of a call and the bodies they send: many of the shapes met in the field, all of them valid SDP. */
import type { Chance } from "./chance.ts";

export class Party {
  readonly tag: string;
  readonly #chance: Chance;
  readonly #address: string;
  readonly #lines: string[];
  readonly #port: number;
  #version = 1;

  constructor(chance: Chance, tag: string) {
    this.#chance = chance;
    this.tag = tag;
    this.#port = 2 * chance.between(2_000, 20_000);
    this.#address = chance.happens(0.15) ? "2001:db8:5::7" : `203.0.113.${chance.between(1, 199)}`;
    this.#lines = mediaLines(chance, this.#port);
  }

  get family(): "IP4" | "IP6" {
    return this.#address.includes(":") ? "IP6" : "IP4";
  }

  get address(): string {
    return this.#address;
  }

  get port(): number {
    return this.#port;
  }

  /** The same as before; now and then something about it changed, and the version with it. */
  body(): string {
    const chance = this.#chance;
    if (chance.happens(0.4)) this.#version++;
    const isHeldOfOld = chance.happens(0.05);
    const shown = isHeldOfOld ? (this.family === "IP6" ? "::" : "0.0.0.0") : this.#address;
    const lines = [
      "v=0",
      `o=- 20518 ${this.#version} IN ${this.family} ${this.#address}`,
      "s=-",
      `c=IN ${this.family} ${shown}`,
      "t=0 0",
      ...this.#lines,
    ];
    if (chance.happens(0.1)) lines.push(chance.pick(["a=sendonly", "a=inactive", "a=recvonly"]));
    if (chance.happens(0.02)) lines.splice(chance.below(lines.length), chance.below(4));
    return `${lines.join("\r\n")}\r\n`;
  }

  /** A further m-line, or one rejected. */
  change(): void {
    const chance = this.#chance;
    const at = this.#lines.findIndex((line) => line.startsWith("m=video"));
    if (at >= 0) this.#lines[at] = "m=video 0 RTP/AVP 96";
    else if (chance.happens(0.5))
      this.#lines.push(`m=video ${this.#port + 2} RTP/AVP 96`, "a=rtpmap:96 VP8/90000");
    else this.#lines.push(`m=image ${this.#port + 4} udptl t38`);
  }
}

function mediaLines(chance: Chance, port: number): string[] {
  const isSecure = chance.happens(0.08);
  const protocol = chance.pick(
    isSecure ? ["RTP/SAVP", "UDP/TLS/RTP/SAVPF"] : ["RTP/AVP", "RTP/AVP", "RTP/AVPF"],
  );
  const lines = [`m=audio ${port} ${protocol} 0 8 101`, "a=rtpmap:101 telephone-event/8000"];
  if (chance.happens(0.3)) lines.push("a=rtcp-mux");
  if (chance.happens(0.2)) lines.push(`a=rtcp:${port + 9}`);
  if (chance.happens(0.2)) {
    lines.push("a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901");
    lines.push(`a=candidate:1 1 udp 2130706431 203.0.113.9 ${port} typ host`);
  }
  if (chance.happens(0.15)) lines.push(`m=video ${port + 2} RTP/AVP 96`, "a=rtpmap:96 VP8/90000");
  if (chance.happens(0.08)) lines.push(`m=image ${port + 4} udptl t38`, "a=T38FaxVersion:0");
  if (chance.happens(0.05)) lines.push(`m=application ${port + 6} UDP/BFCP *`);
  return lines;
}
