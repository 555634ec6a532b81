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
/** ICE: candidates of all m-lines of one leg that are tried; beyond, each m-line has its share, the best ones. */
export const remoteCandidatesPerLegMax = 256;
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
/** Handover: sources that lost a leg and are remembered, the one that was proven first always among them. */
export const rememberedSourcesPerSlotMax = 4;
/** Handover: strikes kept per socket; who has more sources than that is refused by what they send, not by a strike. */
export const strikesPerSlotMax = 4;
/** Handover: streams of a worker read over two paths at once, and those of one socket. A window has 600 bytes. */
export const twinWindowsMax = 256;
export const twinWindowsPerSlotMax = 4;
/** Handover: packets of a stream that are told apart from their copies over another path; a power of two. */
export const twinWindowPackets = 128;
/** Handover: hints kept per socket. */
export const hintsPerSlotMax = 8;
/** Handover: packets kept per stream while the party's SDP is unknown: 1 s at 20 ms. */
export const heldPacketsPerStreamMax = 50;
/** Handover: held packets are at most this old when they go out. */
export const heldAgeMsMax = 1_000;
/** Handover: other sockets of the same party that may vouch for a source. */
export const siblingsPerSlotMax = 8;

/** Telemetry: notes about sources kept per open pair; most pairs have two. */
export const notesPerPairMax = 16;
/** ng: candidates and notes about sources in one reply to `query`, some 150 bytes each; calls of two parties have 8. */
export const querySourcesMax = 64;
/** Telemetry: log lines about the sources of one call, at once and then a second; a handover is two or three. */
export const sourceLinesPerCallBurstMax = 16;
export const sourceLinesPerCallPerSecMax = 1;
/** Telemetry: of all calls together. 1,000 phones may change networks at once, where a site loses its uplink. */
export const sourceLinesBurstMax = 1_000;
export const sourceLinesPerSecMax = 100;
/** Telemetry: calls whose lines are counted at once; beyond it the one longest quiet starts anew. */
export const sourceLineCallsMax = 4_096;

/** SRTP: keys tried on what a pair receives, one a live branch and generation: what a forged packet can cost at most. */
export const receiveKeysPerPairMax = 4;
/** SRTP: indices behind the newest that are told apart from replays; a power of two. RFC 3711 section 3.3.2 wants 64. */
export const replayWindowPackets = 128;

/** SRTP: SSRCs followed under one key that we receive with, all of a bundle's; the one unheard for longest goes. */
export const srtpSsrcsReceivedMax = 64;
/** SRTP: SSRCs that one key of ours ever protects. Further ones are refused: none may be forgotten, or its indices come twice. */
export const srtpSsrcsSentMax = 512;
/** SRTP: of these so many new ones a second: who spoofs the source of a plain leg needs 15 minutes to use all of them up. */
export const srtpNewSsrcsPerSecMax = 0.5;
/** SRTP: and so many at once: all that a party with keys can send. */
export const srtpNewSsrcsBurstMax = srtpSsrcsReceivedMax;
/** SRTP: former send keys of a pair whose indices are kept, in case they come back: a re-offer may go through the suites. */
export const sendKeysParkedPerPairMax = 4;
/** SRTP: the same of receive keys: a key that comes back must not accept once more what it accepted before. */
export const receiveKeysParkedPerPairMax = 4;

/** Relay: a datagram that fits an arena slot: Ethernet MTU with room to spare. */
export const packetSizeBytesMax = 1_600;
/** Relay: bytes in front of and behind a packet in its arena slot, for headers and authentication tags. */
export const packetHeadroomBytes = 64;
export const packetTailroomBytes = 192;
/** Relay: the largest datagram at all. */
export const jumboSizeBytesMax = 9_216;
/** Relay: a place for a datagram of any size, with the room around it. */
export const packetRoomBytes = packetHeadroomBytes + jumboSizeBytesMax + packetTailroomBytes;
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
/**
 * Replay: what one socket's party gets again after it changed its network, at most: the age, packets and bytes. 40 ms before
 * the last sign of life, the gap and the hold time make 200 ms of audio in most cases; video's bursts are cut at 32 packets.
 */
export const replayAgeMsMax = 200;
export const replayPacketsMax = 32;
export const replaySizeBytesMax = 32 * 1024;
/** Replay: packets sent at once; then one a millisecond, so that a narrow path is not flooded with the past. */
export const replayBurstPacketsMax = 4;
/** Replay: sockets of a worker that are served at the same time; a network of phones that moves at once has some dozen. */
export const replaysAtOnceMax = 256;
/** Replay: one socket is served again after so long at the earliest. */
export const replayIntervalMsMin = 2_000;
/** Relay: notes about sources that a socket tells main, of decisions and of suspicions each, a second and at once; all of them are counted. */
export const notesPerSlotPerSecMax = 8;
export const notesPerSlotBurstMax = 16;
/**
 * Relay: of all sockets of a worker together, of decisions and of suspicions each, so that who causes the latter cannot hide
 * the former: each may be a line of the log.
 */
export const notesPerWorkerPerSecMax = 500;
export const notesPerWorkerBurstMax = 1_000;
/** Relay: time in which a number we sent may come back in a receiver report; reports come every 5 s (RFC 3550 section 6.2). */
export const receiptAgeMsMax = 10_000;
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
/** DTLS: handshakes begun with sources nobody vouches for, of all associations, a second and at once: a fifth of a core at most. */
export const dtlsStrangersPerSecMax = 200;
export const dtlsStrangersBurstMax = 200;
/** DTLS: as client, the first pause after a handshake that failed; then doubled, up to `dtlsHandshakeMsMax`. */
export const dtlsClientPauseMsMin = 1_000;
/** DTLS: as client, other ports of the peer's IP that were followed in vain, and are not again. */
export const dtlsClientRefusedMax = 8;
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

/** TURN: allocations at once, those whose sockets are being opened included; an option moves it. */
export const turnAllocationsMax = 20_000;
/** TURN: peers of one allocation; a browser has as many as the other side has candidates, some dozen. */
export const turnPermissionsPerAllocationMax = 128;
/** TURN: channels of one allocation, those in their five minutes of rest included. */
export const turnChannelsPerAllocationMax = 128;
/** TURN: permissions and channels of all allocations in one worker: four peers for each of a full house. */
export const turnPermissionsPerWorkerMax = 80_000;
export const turnChannelsPerWorkerMax = 80_000;
/** TURN: peer connections of one allocation (RFC 6062 section 5.2), asked for, offered or joined. */
export const turnConnectionsPerAllocationMax = 32;
/** TURN: ports kept for a RESERVATION-TOKEN; each is a socket nobody uses yet. */
export const turnReservationsMax = 1_024;
/** TURN: and of these those of one user. */
export const turnReservationsPerUserMax = 128;
/** TURN: a reserved port waits so long (RFC 8656 section 7.2 wants 30 s at least). */
export const turnReservationMs = 30_000;
/** TURN: a peer is waited for so long, and a data connection for its client (RFC 6062 sections 5.2 and 5.3). */
export const turnConnectionMsMax = 30_000;
/** TURN: a client that moved and sends nothing has its packets sent to the new place after so long. */
export const turnMoveMsMax = 30_000;
/** TURN: replies remembered for retransmissions, of the requests that cannot be carried out twice; beyond it the oldest goes. */
export const turnRepliesMax = 16_384;
/** TURN: and for so long: a client's last retransmission comes after 39.5 s (RFC 8489 section 6.2.1). */
export const turnReplyTtlMs = 40_000;
/** TURN: counters that unauthenticated sources share by hash, so that a flood of addresses takes no more memory. */
export const turnChallengeBuckets = 65_536;
/** TURN: error replies to one source that proved nothing, at once; an office behind one address starts together. */
export const turnChallengeBurst = 100;
/** TURN: keys of time-limited users remembered; each saves an HMAC a secret. */
export const turnKeysRememberedMax = 4_096;
/** TURN: bytes of a USERNAME (RFC 8489 section 14.3). */
export const turnUsernameSizeBytesMax = 508;
/** TURN: shared secrets of time-limited users valid at once; a wrong password is tried against each. */
export const turnSecretsMax = 8;
/** TURN: deadlines looked at in one turn of the main thread; the rest is due at once again. */
export const turnTimeoutsPerTurnMax = 256;
/** TURN: bandwidth caps let through this much time's worth of bytes at once: a key frame is no excess. */
export const turnBandwidthBurstMs = 1_000;
/** TURN: connections of clients over TCP and TLS at once, of all and of one source; an office behind one address has hundreds. */
export const turnStreamsMax = 20_000;
export const turnStreamsPerSourceMax = 1_000;
/** TURN: TLS connections that may begin a second and at once; a handshake is a millisecond of the main thread. */
export const turnHandshakesPerSecMax = 300;
export const turnHandshakesBurstMax = 600;
/** TURN: and of these those of one source a second; at once it may have `turnChallengeBurst`. */
export const turnHandshakesPerSourcePerSecMax = 100;
/** TURN: DTLS associations of clients at once, of all and of one source; each is some 60 KB outside our heap. */
export const turnAssociationsMax = 2_000;
export const turnAssociationsPerSourceMax = 200;
/** TURN: answers to a first ClientHello a second, of all sources: each is a datagram to an address that may be forged. */
export const turnCookiesPerSecMax = 2_000;
/** TURN: a connection has to say something that we understand in this time. */
export const turnFirstWordMsMax = 10_000;
/** TURN: a connection without an allocation is closed after so long in silence, and a message that began must end in it. */
export const turnQuietMsMax = 60_000;
/** TURN: bytes that wait for a slow stream client; above it media is dropped. */
export const turnQueueSizeBytesMax = 64 * 1024;
/** TURN: and with them what one turn of the main thread brings; above twice as much the client is. */
export const turnBurstSizeBytesMax = 256 * 1024;
/** TURN: bytes of a message, and of replies that wait, on a connection without an allocation. */
export const turnStrangerMessageSizeBytesMax = 8 * 1024;
export const turnStrangerQueueSizeBytesMax = 16 * 1024;
/** TURN: messages on a connection without an allocation, a second and at once; each takes the main thread's time. */
export const turnStrangerMessagesPerSecMax = 20;
export const turnStrangerMessagesBurstMax = 100;
/** TURN: datagrams of one socket of node's that the kernel has not taken yet. */
export const turnPendingSendsMax = 256;
/** TURN: ports tried for one relay before giving up; each was held by another process. */
export const turnBindAttemptsMax = 64;
/** TURN: ports left over beside single relays before they are drawn again; a port that is drawn from few is guessed. */
export const turnSparePortsMin = 16;

/** TURN: sockets of one worker that clients speak to; each address of a wildcard and of behaviour discovery has one. */
export const turnListenersMax = 64;
/** TURN: relay sockets of one worker beside two for each allocation: reserved ones, and those on their way elsewhere. */
export const turnSpareRelaysMax = 4_096;
/** TURN: datagrams read from one listener before other sockets get their turn; all clients of a worker share it. */
export const turnReadsPerTurnMax = 32;
/** TURN: datagrams of peers that wait for each other, to leave by the listeners together. */
export const turnPostsMax = 16;
/** TURN: records of main's a worker carries out between two batches of packets. */
export const turnCommandsPerTurnMax = 64;
/** TURN: requests of a worker taken in one turn of the main thread: a few milliseconds, so that control stays answered. */
export const turnRequestsPerTurnMax = 64;
/** TURN: requests and packets of streams a worker may have waiting for main, and of these those of clients without an allocation. */
export const turnRequestRecords = 2_048;
export const turnStrangersWaitingMax = 384;
/** TURN: and of these those of one address without an allocation, or of one client with one. */
export const turnWaitingPerStrangerMax = 128;
export const turnWaitingPerClientMax = 32;
/** TURN: packets for one stream that wait for main, which may not have the processor for some hundred milliseconds. */
export const turnWaitingPerStreamMax = 256;
/** TURN: replies and packets of streams that wait for a worker whose ring is full; further ones are lost. */
export const turnRepliesWaitingMax = 4_096;
/** TURN: clients heard from a new place that main is still to be told of; of others it learns with their next request. */
export const turnMovesWaitingMax = 1_024;
