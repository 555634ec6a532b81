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
/** SDP: DTLS or ICE lines of the session level, which are repeated where media pass unread; real ones have 500 bytes. */
export const inheritedLinesSizeBytesMax = 4_096;
/** SDP: a=crypto lines of one m-line that are read; all suites with every session parameter fit. */
export const cryptoLinesPerMediaMax = 32;
/** SDP: a=fingerprint lines of one level: some certificates, each under every hash. */
export const fingerprintsPerMediaMax = 16;
/** SDP: ICE candidates of one m-line; a host with many interfaces gathers some dozen. */
export const remoteCandidatesPerMediaMax = 64;
/** SDP: a=ssrc numbers of one m-line: simulcast with repair streams has at most 9. */
export const ssrcsPerMediaMax = 16;

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

/** SRTP: keys tried on what a pair receives, one a live branch and generation: what a forged packet can cost at most. */
export const receiveKeysPerPairMax = 4;
/** SRTP: indices behind the newest that are told apart from replays; a power of two. RFC 3711 section 3.3.2 wants 64. */
export const replayWindowPackets = 128;

/** SRTP: SSRCs followed under one key that we receive with, all of a bundle's; the one unheard for longest goes. */
export const srtpSsrcsReceivedMax = 64;
/** SRTP: SSRCs that one key of ours ever protects. Further ones are refused: none may be forgotten, or its indices come twice. */
export const srtpSsrcsSentMax = 512;

/** Relay: a datagram that fits an arena slot: Ethernet MTU with room to spare. */
export const packetSizeBytesMax = 1_600;
/** Relay: bytes in front of and behind a packet in its arena slot, for headers and authentication tags. */
export const packetHeadroomBytes = 64;
export const packetTailroomBytes = 192;
/** Relay: the largest datagram at all; carried in the one jumbo slot. */
export const jumboSizeBytesMax = 9_216;
/** Relay: bytes of held packets in one worker. */
export const heldBytesPerWorkerMax = 8 * 1024 * 1024;
/**
 * Relay: packets kept for a party whose address or key is not known yet. A phone behind NAT is proven within 5 packets or
 * 100 ms, a browser's handshake takes 50 ms; in a bundle a key frame of 30 packets waits beside the audio.
 */
export const heldPacketsPerEgressMax = 48;
/** Relay: packets a second to another leg of ours; two calls that name each other's ports would go round for ever. Video has 1,000. */
export const ownTargetPacketsPerSecMax = 2_000;
/** Relay: packets it may be ahead of that rate: what was held for `heldAgeMsMax` goes out with the time it came. */
export const ownTargetBurstPacketsMax = 2_000;
/** Relay: packets a second of one socket whose tags are checked although their source is not proven; a handover needs two. */
export const strangerVerificationsPerSecMax = 100;
/** Relay: of these at once. A browser's first video frame comes before anything is proven. */
export const strangerVerificationsBurstMax = 100;
/** Relay: STUN or DTLS datagrams a second that one socket passes up to main; a browser with many candidates sends 50. */
export const packetsUpPerSlotPerSecMax = 200;
export const packetsUpPerSlotBurstMax = 100;
/** Relay: of all sockets of a worker together, from sources neither proven nor signalled, STUN and DTLS each; main answers some ten thousand a second. */
export const packetsUpPerWorkerPerSecMax = 4_000;
export const packetsUpPerWorkerBurstMax = 1_000;
/** Relay: datagrams of main's a worker sends between two batches of packets. */
export const packetsDownPerTurnMax = 64;
/** ICE: bytes of a user name fragment of ours. */
export const iceLocalUfragSizeBytesMax = 32;
/** Handover: sources with a valid ICE check kept per socket; the one unchecked for longest goes. */
export const checkedSourcesPerSlotMax = 8;
/** Bundle: bytes of a mid that is looked for in RTP; browsers number their m-lines. */
export const bundleMidSizeBytesMax = 32;
/** Bundle: header extension elements of a packet looked at for its mid, before its tag is checked; 14 is what one-byte headers have numbers for. */
export const bundleElementsMax = 16;
/** Bundle: packets of an RTCP compound looked at for the stream they are about; real ones have a handful. */
export const bundleReportsMax = 16;
/** Bundle: SSRCs of one transport that are known to belong to an m-line; the one unheard for longest goes. */
export const bundleSsrcsMax = 64;
/** Relay: commands waiting in main for room in a worker's ring before offers are refused. */
export const pendingCommandsMax = 16_384;

/** Transports: DTLS datagrams kept per socket until signalling tells the party's fingerprint; a ClientHello is one or two. */
export const earlyHandshakePacketsMax = 4;
/** Transports: packets of a worker taken in one turn of the main thread: well under 20 ms of handshakes, so that control stays answered. */
export const handshakePacketsPerTurnMax = 32;
/** Transports: pairs whose deadline is looked at in one turn of the main thread; the rest is due at once again. */
export const transportTimeoutsPerTurnMax = 128;

/** DTLS: bytes of a datagram we send, so that flights pass tunnels and IPv6's smallest MTU (1,280) with room for headers. */
export const dtlsDatagramSizeBytesMax = 1_200;
/** DTLS: handshakes of one association under way at once; OpenSSL's state is the dearest thing a stranger may ask for. */
export const dtlsHandshakesPendingMax = 4;
/** DTLS: of these, from one IP that signalling or ICE does not vouch for. */
export const dtlsHandshakesPerIpMax = 2;
/** DTLS: a handshake of one association with no answer for so long makes room for a newer one: slower paths do not exist. */
export const dtlsHandshakeQuietMsMin = 3_000;
/** DTLS: a handshake has this long. Retransmissions at 0.4 s, doubling up to 6.4 s, are sent seven times in it. */
export const dtlsHandshakeMsMax = 30_000;
/** DTLS: handshakes begun for one association, at once and then a second; each costs a third of a millisecond of CPU. */
export const dtlsHandshakeBurstMax = 8;
export const dtlsHandshakesPerSecMax = 2;
/** DTLS: HelloVerifyRequests sent for one association, at once and then a second; the real party needs one or two. */
export const dtlsCookieBurstMax = 20;
export const dtlsCookiesPerSecMax = 20;
/** DTLS: once connected, state (some 80 KB) is kept this long to answer a peer that missed our last flight: it asks at 1, 3, 7 and 15 s. */
export const dtlsLingerMs = 16_000;
/** DTLS: bytes of a peer's certificates in one handshake; they are self-signed and of 300 to 1,500 bytes. */
export const dtlsCertificatesSizeBytesMax = 16_384;
/** DTLS: certificates of ours alive at once, the newest and those that associations still name, one a day. */
export const dtlsCertificatesMax = 64;
/** DTLS: the newest certificates, which stay even unnamed: an offer that names one may be answered much later. */
export const dtlsCertificatesKeptMin = 8;

/** STUN: attributes of one message; a TURN request with everything has a dozen. */
export const stunAttributesMax = 32;
/** ICE: candidate pairs of one agent, all components (RFC 8445 section 6.1.2.5 proposes 100). */
export const icePairsMax = 100;
/** ICE: a source the peer's checks came from is not given up for a newer one before it was quiet for so long. */
export const iceLearnedQuietMsMin = 5_000;
/** ICE: transactions of a pair whose answer still counts: consent checks of 30 s, every 5 s, and some more. */
export const iceTransactionsPerPairMax = 8;
