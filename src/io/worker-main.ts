/** Entry of a relay worker's thread on Linux: lays out the arena, joins core and sockets, runs the loop to its end. */
import { parentPort, workerData } from "node:worker_threads";
import { turnListenersMax } from "../core/limits.ts";
import { Handover } from "../handover/handover.ts";
import { commandWords, eventWords } from "../relay/driver.ts";
import { holdStoreBytes } from "../relay/hold-store.ts";
import { packetHashKeyWords } from "../relay/packet-hash.ts";
import { packetWords } from "../relay/packet-records.ts";
import { replayLogBytes } from "../relay/replay-log.ts";
import { turnCommandWords } from "../relay/turn/turn-records.ts";
import { TurnWorker } from "../relay/turn/turn-worker.ts";
import { WorkerCore } from "../relay/worker-core.ts";
import { OwnPlaces } from "../turn/own-places.ts";
import { CollectionWatch, EarlyCollections } from "./collections.ts";
import { Arena } from "./linux/arena.ts";
import { EpollLoop, loopBytes } from "./linux/epoll-loop.ts";
import { EpollSockets, socketsBytes } from "./linux/epoll-sockets.ts";
import type { TurnPart } from "./linux/turn-receiver.ts";
import { TurnSockets, turnSocketsBytes } from "./linux/turn-sockets.ts";
import { openPacketCrypto } from "./packet-crypto.ts";
import { comeFirst } from "./priority.ts";
import { randomWords } from "./random.ts";
import { RingReader, RingWriter } from "./ring.ts";
import { srtpEngineBytes } from "./srtp-engine.ts";
import { sourceOptions, type WorkerSetup } from "./worker-setup.ts";

function makeTurn(setup: WorkerSetup, arena: Arena, media: EpollSockets): TurnPart | undefined {
  const { turn } = setup;
  if (turn === undefined) return undefined;
  const own = new OwnPlaces(turn.addresses, new Uint32Array(turn.places));
  const sockets = new TurnSockets(arena, media, turnListenersMax + turn.relaysMax);
  const worker = new TurnWorker({
    arena: arena.bytes,
    offset: sockets.packetOffset,
    own,
    capacity: turn.capacity,
    relaysMax: turn.relaysMax,
    seed: randomWords(1)[0] ?? 0,
    commands: new RingReader(turn.commands, turnCommandWords),
    requests: new RingWriter(turn.requests, packetWords),
    events: new RingWriter(turn.events, eventWords),
    sockets,
    counters: turn.counters,
  });
  return { worker, sockets };
}

async function run(setup: WorkerSetup): Promise<void> {
  const { capacitySlots, replayMemoryBytes } = setup;
  const replayBytes = replayLogBytes(replayMemoryBytes);
  const arena = new Arena(
    loopBytes +
      socketsBytes(capacitySlots) +
      turnSocketsBytes +
      holdStoreBytes +
      srtpEngineBytes +
      replayBytes,
  );
  const sockets = new EpollSockets({
    arena,
    capacitySlots,
    secondSocketsMax: setup.secondSocketsMax,
    batches: setup.batches,
    steering: setup.steering,
    worker: setup.counters.worker,
  });
  const commands = new RingReader(setup.commands, commandWords);
  const events = new RingWriter(setup.events, eventWords);
  const holdBase = arena.reserve(holdStoreBytes);
  const engineBase = arena.reserve(srtpEngineBytes);
  const replayBase = arena.reserve(replayBytes);
  const { crypto, ability } = await openPacketCrypto(arena, engineBase, setup.capacitySlots);
  const core = new WorkerCore({
    capacitySlots: setup.capacitySlots,
    arena: arena.bytes,
    holdBase,
    replayBase,
    replayMemoryBytes,
    digestKey: randomWords(packetHashKeyWords),
    counters: setup.counters,
    sockets,
    events,
    packetsUp: new RingWriter(setup.packetsUp, packetWords),
    packetsDown: new RingReader(setup.packetsDown, packetWords),
    crypto,
    forbiddenTargets: setup.forbiddenTargets,
    ownMedia: setup.ownMedia,
    makePolicy: (capacitySlots, sink) =>
      new Handover(capacitySlots, sink, { ...sourceOptions(setup), memory: setup.handover }),
  });
  const early = new EarlyCollections();
  const collections = new CollectionWatch(setup.counters.worker);
  const loop = new EpollLoop({
    arena,
    core,
    sockets,
    commands,
    events,
    counters: setup.counters,
    turn: makeTurn(setup, arena, sockets),
    wakeDescriptor: setup.wakeDescriptor,
    coalesces: setup.coalesces,
    wakeMain: () => parentPort?.postMessage(undefined),
    everySecond: () => {
      early.run();
      collections.fold();
      sockets.batch.lookForAddresses();
      sockets.shared.everySecond();
    },
  });
  comeFirst();
  // Tells main that this worker reads its sockets from now on, and what it has for SRTP.
  parentPort?.postMessage(ability);
  loop.run();
  sockets.close();
}

await run(workerData as WorkerSetup);
