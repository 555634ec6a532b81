/**
 * Everything that grows has a limit, and all limits are here: the unit is in the name, the reason beside it.
 * A limit that an operator may move is an option in `config/` whose default stands here.
 */

/** Control: one datagram or text frame. UDP cannot carry more than 65,507 bytes. */
export const controlMessageSizeBytesMax = 65_507;
/** Control: nesting of a bencode or JSON document. The deepest real message (sdp-attr in rtpp-flags) has 6. */
export const controlNestingMax = 16;
/** Control: elements in one bencode or JSON document, so that a datagram of `le` pairs stays cheap. */
export const controlElementsMax = 4_096;
/** ng: bytes of a cookie. Kamailio and OpenSIPS send about 20; what is longer is no cookie. */
export const controlCookieSizeBytesMax = 256;
/** ng: requests whose reply is still to come; beyond it offers are told to go elsewhere. */
export const controlRequestsInWorkMax = 16_384;
/** ng: proxies counted by address; further ones are counted together. */
export const controlPeersMax = 256;
/** ng: warnings told about one request; the rest is counted. */
export const controlWarningsMax = 16;
/** Replies remembered for retransmissions: at 2,000 requests/s and 30 s that is 60,000; beyond it the oldest goes. */
export const replyCacheEntriesMax = 65_536;
/** Bytes of all remembered replies together. */
export const replyCacheSizeBytesMax = 128 * 1024 * 1024;
/** Replies live this long at least. Kamailio resends for 5 s at most; rtpproxy remembers 35 s. */
export const replyCacheTtlMs = 35_000;
/** Control: one line on a stream, or one rtpproxy command at all; rtpproxy's own buffer. */
export const controlLineSizeBytesMax = 8_192;
/** Control: replies of one stream connection that wait for an earlier one; a client further ahead is cut off. */
export const controlLinesInWorkMax = 1_024;
/** rtpproxy: words of one command, its cookie included. */
export const rtpproxyTokensMax = 24;
/** rtpproxy: bytes of a reply with counters by name, as rtpproxy has it. */
export const rtpproxyReplySizeBytesMax = 1_024;
/** rtpproxy: session timeouts waiting to be told to one notification socket; the oldest goes first. */
export const notificationsQueuedMax = 4_096;
/** Control: bytes of replies a stream client has not read yet, before its connection is closed. */
export const controlUnreadSizeBytesMax = 256 * 1024;
/** Control: a stream client that began a command has this long to end it. */
export const controlPartialLineMsMax = 30_000;
/** Control: when a listener's connections are used up, one that was quiet for so long makes room. */
export const controlQuietMsMin = 60_000;
/** Simultaneous connections of one stream control listener (unix, cunix, tcp). */
export const controlConnectionsMax = 256;

/** SDP: bytes of one body; the largest browser offers seen are 12 KB. */
export const sdpSizeBytesMax = 65_507;
/** SDP: lines of one body. */
export const sdpLinesMax = 4_096;
/** SDP: media sections of one body. Group calls offer a few dozen. */
export const mediaPerCallMax = 64;
/** Payload types or formats of one m-line. */
export const formatsPerMediaMax = 128;
/** SDP: header extensions of the session level, which are repeated in every media section; browsers have 1 KB. */
export const sharedExtensionsSizeBytesMax = 4_096;

/** Call: bytes of a call-id, tag, branch or label. */
export const identifierSizeBytesMax = 1_024;
/** Call: legs (tags and unanswered branches) of one call. */
export const legsPerCallMax = 32;
/** Call: requests that wait while their call's ports are being opened; a proxy serialises a dialogue itself. */
export const requestsWaitingPerCallMax = 16;
/** Call: codec lists that calls share; beyond it sharing starts anew. */
export const codecListsSharedMax = 256;
/** Call: characters of a codec list, names and rates, that is shared; real ones have at most some hundred. */
export const sharedCodecListSizeMax = 1_024;
/** Call: tag aliases of one leg. */
export const aliasesPerLegMax = 16;

/** Handover: SSRCs followed per socket. */
export const ssrcsPerSlotMax = 8;
/** Handover: candidate sources kept per socket before proof. */
export const candidatesPerSlotMax = 8;
/** Handover: candidates of one /24 or /64, so that one network cannot fill the table. */
export const candidatesPerNetworkMax = 2;
/** Handover: hints kept per socket. */
export const hintsPerSlotMax = 8;
/** Handover: packets kept per stream while the party's SDP is unknown: 1 s at 20 ms. */
export const heldPacketsPerStreamMax = 50;
/** Handover: held packets are at most this old when they go out. */
export const heldAgeMsMax = 1_000;
/** Handover: other sockets of the same party that may vouch for a source. */
export const siblingsPerSlotMax = 8;

/** Relay: a datagram that fits an arena slot: Ethernet MTU with room to spare. */
export const packetSizeBytesMax = 1_600;
/** Relay: bytes in front of and behind a packet in its arena slot, for headers and authentication tags. */
export const packetHeadroomBytes = 64;
export const packetTailroomBytes = 192;
/** Relay: the largest datagram at all; carried in the one jumbo slot. */
export const jumboSizeBytesMax = 9_216;
/** Relay: bytes of held packets in one worker. */
export const heldBytesPerWorkerMax = 8 * 1024 * 1024;
/** Relay: packets kept for a party whose address is not known yet: a phone behind NAT is proven within 5 packets or 100 ms. */
export const heldPacketsPerEgressMax = 16;
/** Relay: packets a second to another leg of ours; two calls that name each other's ports would go round for ever. Video has 1,000. */
export const ownTargetPacketsPerSecMax = 2_000;
/** Relay: packets it may be ahead of that rate: what was held for `heldAgeMsMax` goes out with the time it came. */
export const ownTargetBurstPacketsMax = 2_000;
/** Relay: commands waiting in main for room in a worker's ring before offers are refused. */
export const pendingCommandsMax = 16_384;
