/** A baresip that plays a tone into its calls and records what it hears. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab } from "./lab.ts";
import type { HostName } from "./network.ts";
import type { Program } from "./process.ts";
import { toneWav } from "./tone.ts";

export interface BaresipPlan {
  /** Distinct within a lab. What stands before a colon is no part of the user's name. */
  readonly name: string;
  readonly host: HostName;
  readonly address: string;
  readonly proxy: string;
  readonly toneHz: number;
  /** Quits, and hangs up, after so long. */
  readonly lifeSeconds: number;
  readonly dial?: string;
  /** Where several stand on one host; `baresipPort` otherwise. */
  readonly sipPort?: number;
  readonly security?: BaresipSecurity;
}

/** What protects the media and finds its way; plain RTP without a word. */
export interface BaresipSecurity {
  /** baresip's own names: SDES where the peer can, SDES that is insisted upon, DTLS-SRTP. */
  readonly encryption?: "srtp" | "srtp-mand" | "dtls_srtp" | undefined;
  readonly hasIce: boolean;
  readonly hasRtcpMux: boolean;
  readonly turn?: BaresipTurn;
}

/** A TURN server over UDP: for ICE if that is on, and otherwise for everything. */
export interface BaresipTurn {
  /** As in `turn:192.0.2.1:3478`. */
  readonly uri: string;
  readonly username: string;
  readonly password: string;
}

export const baresipPort = 5_060;
const rtpPorts = "20000-24000";
const modules = "/usr/lib/baresip/modules";
const toneSeconds = 20;

export class Baresip {
  readonly program: Program;
  private readonly folder: string;

  private constructor(program: Program, folder: string) {
    this.program = program;
    this.folder = folder;
  }

  static async start(lab: Lab, plan: BaresipPlan): Promise<Baresip> {
    const folder = join(lab.folder, plan.name);
    mkdirSync(folder);
    writeFileSync(join(folder, "tone.wav"), toneWav(plan.toneHz, toneSeconds));
    writeFileSync(join(folder, "config"), configOf(plan, folder));
    writeFileSync(join(folder, "accounts"), `${accountOf(plan)}\n`);
    writeFileSync(join(folder, "contacts"), "");
    const program = await lab.program(plan.host, plan.name, [
      ...["baresip", "-f", folder, "-t", String(plan.lifeSeconds)],
      ...(plan.dial === undefined ? [] : ["-e", `/dial ${plan.dial}`]),
    ]);
    await program.listening(plan.sipPort ?? baresipPort);
    return new Baresip(program, folder);
  }

  /** What it heard, once the call is over. */
  recording(): Buffer {
    const name = readdirSync(this.folder).find((file) => file.endsWith("-dec.wav"));
    if (name === undefined) throw new Error(`${this.program.name} heard no call:\n${this.program.logTail()}`);
    return readFileSync(join(this.folder, name));
  }
}

function accountOf({ name, address, proxy, security }: BaresipPlan): string {
  const user = name.replace(/^.*:/, "");
  return [
    `<sip:${user}@${address}>`,
    ...[`outbound="sip:${proxy}"`, "regint=0", "audio_codecs=PCMU", "answermode=auto"],
    ...(security?.encryption === undefined ? [] : [`mediaenc=${security.encryption}`]),
    ...natOf(security),
  ].join(";");
}

function natOf(security: BaresipSecurity | undefined): readonly string[] {
  const turn = security?.turn;
  const nat = security?.hasIce === true ? "ice" : turn === undefined ? undefined : "turn";
  return [
    ...(nat === undefined ? [] : [`medianat=${nat}`]),
    ...(turn === undefined
      ? []
      : [`stunserver="${turn.uri}"`, `stunuser=${turn.username}`, `stunpass=${turn.password}`]),
  ];
}

/** The player needs no sound card; the sndfile filter in front of it writes what is heard to a file. */
function configOf(plan: BaresipPlan, folder: string): string {
  return [
    `sip_listen ${plan.address}:${plan.sipPort ?? baresipPort}`,
    `audio_source aufile,${join(folder, "tone.wav")}`,
    "audio_player aubridge,nowhere",
    "audio_alert aubridge,nowhere",
    "ausrc_srate 8000",
    "auplay_srate 8000",
    "ausrc_channels 1",
    "auplay_channels 1",
    `rtp_ports ${rtpPorts}`,
    "jitter_buffer_delay 1-5",
    `module_path ${modules}`,
    `rtcp_mux ${plan.security?.hasRtcpMux === true ? "yes" : "no"}`,
    ...["g711.so", "sndfile.so", "aufile.so", "aubridge.so"].map((name) => `module ${name}`),
    ...(plan.security === undefined
      ? []
      : ["srtp.so", "dtls_srtp.so", "ice.so", "turn.so"].map((name) => `module ${name}`)),
    "module_tmp account.so",
    "module_app menu.so",
    `snd_path ${folder}`,
    "",
  ].join("\n");
}
