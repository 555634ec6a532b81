/** The tables of docs/handover.md that a run of all cells fills in. */
import { type AttackerClass, attackerClasses } from "./attacks.ts";
import { bounds } from "./bounds.ts";
import { attack, move } from "./comparison.ts";
import { type Cell, protections } from "./history.ts";
import { cells, harmKinds, measure, type Row } from "./matrix.ts";
import { type VictimState, victimStates } from "./states.ts";

const attackerTexts: Readonly<Record<AttackerClass, string>> = {
  blind: "blind, also flooding from spoofed addresses",
  "spoofs-source": "spoofs the phone's address, knows nothing else",
  "knows-ssrc": "knows SSRC",
  "knows-ssrc-and-sequence": "knows SSRC and sequence",
  "on-path-copier": "copies on the path",
  "same-nat": "behind the phone's own NAT",
  "other-party": "the other party of the call",
};

const stateTexts: Readonly<Record<VictimState, string>> = {
  early: "speaks before the answer",
  "not-yet-speaking": "not yet speaking",
  listening: "listening, with keepalives",
  "silent-from-start": "silent for 3 s and more after the answer",
  "no-usable-address": "no usable address known",
  speaking: "speaking",
  muted: "muted",
  moving: "between networks",
};

const protectionTexts: Readonly<Record<(typeof protections)[number], string>> = {
  plain: "Plain RTP",
  srtp: "SRTP whose keys pass through us or are ours",
  strict: "Plain RTP with `strict-source`",
};

/** All of it, as it stands between the markers. */
export function attackerTables(): string {
  const rows = cells.map(measure);
  const parts = protections.map((protection) => {
    const own = rows.filter(({ cell }) => cell.protection === protection);
    return `**${protectionTexts[protection]}**\n\n${matrixOf(own)}`;
  });
  return [...parts, legend(), comparison()].join("\n\n");
}

function matrixOf(rows: readonly Row[]): string {
  const head = ["attacker", ...victimStates.map((state) => stateTexts[state])];
  const body = attackerClasses.map((attacker) => [
    attackerTexts[attacker],
    ...victimStates.map((state) => {
      const row = rows.find(({ cell }) => isCell(cell, attacker, state));
      return row === undefined ? "" : cellText(row);
    }),
  ]);
  return table(head, body);
}

function isCell(cell: Cell, attacker: AttackerClass, state: VictimState): boolean {
  return cell.attacker === attacker && cell.state === state;
}

/** `0` where nothing is promised to happen and nothing did; else the three numbers, each with its bound's mark. */
function cellText({ promised, worst }: Row): string {
  if (harmKinds.every((kind) => promised[kind] === "none" && worst[kind] === 0)) return "**0**";
  return harmKinds
    .map((kind) => {
      const { mark } = bounds[promised[kind]];
      return mark === "" ? `${worst[kind]}` : `${worst[kind]} ${mark}`;
    })
    .join(" / ");
}

function legend(): string {
  const marks = Object.values(bounds)
    .filter(({ mark }) => mark !== "")
    .map(({ mark, text }) => `*${mark}*: ${text}`);
  return `Marks: ${marks.join("; ")}. What has no mark never happens.`;
}

/** Measured in the lab, 20 ms of audio a packet; up and down: packets lost / longest gap in ms. */
const peers: readonly (readonly string[])[] = [
  ["rtpengine 10.5, default", "1 / 41", "never back", "never back", "0 / 200", "0 / 200", "up to 791 / 406"],
  ["rtpengine, `media-handover`", "0 / 25", "1 / 40", "75 / 1520", "102 / 110", "100 / 99", "not measured"],
  ["rtpengine, `strict-source`", "never back", "never back", "never back", "0 / 0", "0 / 0", "not measured"],
  ["rtpproxy 3.2, default", "0 / 43", "1 / 44", "75 / 1520", "0 / 0", "51 / 33", "436 leaked"],
  [
    "onmyway133's fork of rtpproxy 1.2.1",
    "0 / 38",
    "11 / 240",
    "84 / 1701",
    "0 / 200",
    "0 / 200",
    "not measured",
  ],
];

function comparison(): string {
  const silent = move(0);
  const muted = move(1_500);
  const pair = (attacker: AttackerClass, isEarly = false): string => {
    const { leaked, injected } = attack(attacker, isEarly);
    return `${leaked} / ${injected}`;
  };
  const ours = [
    "**rtpferry, default**",
    `${silent.lostUp}`,
    `${silent.lostDown}`,
    `${muted.lostDown}`,
    pair("blind"),
    pair("knows-ssrc-and-sequence"),
    pair("blind", true),
  ];
  const head = [
    "relay and setting",
    "silent switch: up",
    "down",
    "muted for 1.5 s: down",
    "blind attack on a speaking phone: leaked / injected",
    "SSRC and sequence known",
    "blind attack before the first packet",
  ];
  const how =
    "The others were measured in a NAT lab: packets lost / longest gap in ms, packets leaked / injected of 200. Ours are of the same " +
    "scenes in simulated time: packets lost, leaked / injected. A phone that moves while it is muted cannot be reached until it speaks.";
  return `**Beside the others.** ${how}\n\n${table(head, [ours, ...peers])}`;
}

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (row: readonly string[]): string => `| ${row.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...body.map(line)].join("\n");
}
