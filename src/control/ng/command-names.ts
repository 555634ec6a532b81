/** The commands of ng: the names on the wire and the short names rtpengine's statistics use. */

/** Commands this relay carries out. */
export type NgCommand = "ping" | "offer" | "answer" | "delete" | "query" | "list" | "statistics";

interface CommandName {
  /** As in the key `command`; case counts. */
  readonly name: string;
  /** The stem of `offercount`, `offerduration`, `totaloffercount`. */
  readonly short: string;
  readonly isSupported: boolean;
}

/** In the order of rtpengine 26.3. */
export const commandNames: readonly CommandName[] = [
  { name: "ping", short: "ping", isSupported: true },
  { name: "offer", short: "offer", isSupported: true },
  { name: "answer", short: "answer", isSupported: true },
  { name: "delete", short: "delete", isSupported: true },
  { name: "query", short: "query", isSupported: true },
  { name: "list", short: "list", isSupported: true },
  { name: "start recording", short: "startrec", isSupported: false },
  { name: "stop recording", short: "stoprec", isSupported: false },
  { name: "pause recording", short: "pauserec", isSupported: false },
  { name: "start forwarding", short: "startfwd", isSupported: false },
  { name: "stop forwarding", short: "stopfwd", isSupported: false },
  { name: "block DTMF", short: "blkdtmf", isSupported: false },
  { name: "unblock DTMF", short: "unblkdtmf", isSupported: false },
  { name: "block media", short: "blkmedia", isSupported: false },
  { name: "unblock media", short: "unblkmedia", isSupported: false },
  { name: "play media", short: "playmedia", isSupported: false },
  { name: "stop media", short: "stopmedia", isSupported: false },
  { name: "play DTMF", short: "playdtmf", isSupported: false },
  { name: "statistics", short: "stats", isSupported: true },
  { name: "silence media", short: "slnmedia", isSupported: false },
  { name: "unsilence media", short: "unslnmedia", isSupported: false },
  { name: "publish", short: "pub", isSupported: false },
  { name: "subscribe request", short: "subreq", isSupported: false },
  { name: "subscribe answer", short: "subans", isSupported: false },
  { name: "unsubscribe", short: "unsub", isSupported: false },
  { name: "inject start", short: "injstart", isSupported: false },
  { name: "inject stop", short: "injstop", isSupported: false },
  { name: "connect", short: "conn", isSupported: false },
  { name: "cli", short: "cli", isSupported: false },
  { name: "transform", short: "trnsfm", isSupported: false },
  { name: "create", short: "create", isSupported: false },
  { name: "create answer", short: "crtansw", isSupported: false },
  { name: "mesh", short: "mesh", isSupported: false },
];

const byName: ReadonlyMap<string, CommandName> = new Map([
  ...commandNames.map((command) => [command.name, command] as const),
  ...commandNames.filter(({ name }) => name === "cli").map((command) => ["CLI", command] as const),
]);

export function findCommand(name: string): CommandName | undefined {
  return byName.get(name);
}
