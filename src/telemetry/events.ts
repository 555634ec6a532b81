/** Names of what the log tells, in the field `event`. A contract with whoever searches the log; see docs/metrics.md. */
export const eventTable = {
  ready: "The daemon listens; sent once, with version and listeners.",
  "config-warning": "A setting is allowed but hardly meant.",
  stopping: "A signal asked the daemon to end.",
  stopped: "All calls are ended and all sockets closed.",
  "call-end": "A call is over: duration, and for each leg packets, bytes, loss, jitter and source.",
  "call-warning": "A request about a call was carried out with a reservation.",
  "source-proven": "A media source was proven for a leg, or its proof became a stronger one (debug).",
  "source-switched":
    "A party speaks from somewhere else now; `before` is where it was, `evidence` why it is believed.",
  "source-rolled-back": "A switch was taken back: the source before went on, and has the leg again.",
  "source-struck": "A source contradicted the party, and is not listened to for a while.",
  "source-held": "Packets of a source that may take a leg over are kept until it is decided (debug).",
  "source-refused": "Packets that were kept are dropped: the party kept its source (debug).",
  "source-twin": "A party sends the same packets over two paths, and both are read (debug).",
  "source-untold":
    "So many lines about media sources were left out, of so many calls; one call is named as an example.",
  "dtls-connected": "A DTLS handshake ended with the certificate that SDP named (debug).",
  "dtls-failed": "A DTLS handshake with a party failed; `reason` and the message say why.",
  "ice-selected": "ICE chose where to send, or chose anew (debug).",
  "ice-failed": "No candidate of a party answers, or the party stopped answering checks.",
  "control-refused": "A control request was refused (debug).",
  "open-failed": "A port pair could not be opened.",
  "turn-allocated": "A TURN client got an allocation (debug).",
  "turn-ended": "An allocation is over; `reason` says why (debug).",
  "turn-reloaded": "TURN users, secrets, peer lists and certificates were read again, or could not be.",
  "turn-draining": "The TURN server takes no new allocations from now on.",
  "turn-drained": "The TURN server drains, and its last allocation is over.",
  "worker-fault": "A relay thread died; the daemon ends with it.",
  fault: "An invariant broke; the daemon ends.",
} as const;

export type EventName = keyof typeof eventTable;

/** The list of docs/metrics.md. */
export function eventDocument(): string {
  const lines = Object.entries(eventTable).map(([name, help]) => `| \`${name}\` | ${help} |`);
  return ["| `event` | Meaning |", "|---|---|", ...lines, ""].join("\n");
}
