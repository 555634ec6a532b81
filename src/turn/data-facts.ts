/** What the data path is told of one packet, and what it found out: one object for all packets of a thread. */

/** What is to be done with a packet. Each refusal is a counter of that name. */
export const dataVerdict = {
  /** Send the payload to the peer. */
  toPeer: 0,
  /** Send what stands in the arena to the client. */
  toClient: 1,
  /** A request, or what only the control thread can answer. */
  toMain: 2,
  malformed: 3,
  /** Neither a client of ours nor a request. */
  noAllocation: 4,
  noChannel: 5,
  noPermission: 6,
  /** One of our ports that nobody has, or a control socket. */
  forbiddenPort: 7,
  /** The client's stream has ended. */
  noClient: 8,
  /** There is no relay of the peer's family. */
  noRelay: 9,
  overCap: 10,
} as const;

export class DataFacts {
  /** In: the socket it came by and its source. A stream is a socket by itself, its source all zeros. */
  socket = 0;
  readonly source = new Int32Array(4);
  sourcePort = 0;
  /** Out: whose it is. */
  allocation = 0;
  /** Out: what has to be sent, in the arena. */
  offset = 0;
  sizeBytes = 0;
  /** Out: by which socket, and where; for a stream the socket says it all. */
  toSocket = -1;
  readonly target = new Int32Array(4);
  targetPort = 0;
  /** Out: it must not be fragmented (RFC 8656 section 14). */
  isUnfragmented = false;
  /** Out: the client was heard from its new place for the first time; main has to know. */
  hasMoved = false;
}

/** IPv4-mapped, which is how IPv4 addresses are kept. */
export function isV4(words: Int32Array): boolean {
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff;
}
