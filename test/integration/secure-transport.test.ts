/** ICE and DTLS-SRTP between two pairs of our own, over a wire that is listened to. */
import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";
import type { Endpoint, IpAddress } from "../../src/core/address.ts";
import { silentLogger } from "../../src/core/log.ts";
import type { LocalPair, PairId, PairSettings } from "../../src/core/plan/plan.ts";
import type {
  Fingerprint,
  IceSettings,
  PairSecurity,
  RemoteCandidate,
} from "../../src/core/plan/security.ts";
import { openSecureMedia, type SecureMedia } from "../../src/daemon/secure-media.ts";
import { systemClock } from "../../src/io/clock.ts";
import type { DtlsSecurity } from "../../src/relay/transports/socket-handshake.ts";
import { Phone, plainSettings, RelayRig, rtpPacket, settingsAt, until } from "../support/relay-rig.ts";
import { suite } from "../support/suite.ts";

const loopback = "127.0.0.1" as IpAddress;

/** Carries datagrams between two pairs, as two sockets that each of them takes for the other. */
class Wire {
  readonly carried: Buffer[] = [];
  /** Whether a datagram gets through. */
  passes: (datagram: Buffer) => boolean = () => true;
  readonly #ends: readonly [Socket, Socket];
  readonly #pairs: readonly [Endpoint, Endpoint];

  private constructor(ends: readonly [Socket, Socket], pairs: readonly [Endpoint, Endpoint]) {
    this.#ends = ends;
    this.#pairs = pairs;
    ends[0].on("message", (datagram) => this.#carry(datagram, 1));
    ends[1].on("message", (datagram) => this.#carry(datagram, 0));
  }

  /** `endFor(0)` is what the first pair sees. */
  static async between(first: LocalPair, second: LocalPair): Promise<Wire> {
    const ends = [createSocket("udp4"), createSocket("udp4")] as const;
    for (const end of ends) await new Promise<void>((resolve) => end.bind(0, loopback, resolve));
    return new Wire(ends, [first.rtp, second.rtp]);
  }

  endFor(side: 0 | 1): Endpoint {
    return { ip: loopback, port: this.#ends[side].address().port };
  }

  close(): void {
    for (const end of this.#ends) end.close();
  }

  #carry(datagram: Buffer, to: 0 | 1): void {
    this.carried.push(datagram);
    if (this.passes(datagram)) this.#ends[to].send(datagram, this.#pairs[to].port, loopback);
  }
}

interface Leg {
  readonly pair: PairId;
  readonly local: LocalPair;
}

interface World {
  readonly rig: RelayRig;
  readonly secure: SecureMedia;
  readonly wire: Wire;
  readonly phones: readonly [Phone, Phone];
  /** Facing a phone, facing the wire; of either call. */
  readonly plain: readonly [Leg, Leg];
  readonly secret: readonly [Leg, Leg];
  end(): Promise<void>;
}

async function build(driver: "epoll" | "dgram"): Promise<World> {
  const secure = await openSecureMedia(systemClock, silentLogger, []);
  const rig = await RelayRig.start({ driver, makers: secure.makers });
  const plain = [await rig.open(4, 1), await rig.open(4, 2)] as const;
  const secret = [await rig.open(4, 1), await rig.open(4, 2)] as const;
  const wire = await Wire.between(secret[0].local, secret[1].local);
  const phones = [await Phone.open(loopback), await Phone.open(loopback)] as const;
  for (const side of [0, 1] as const) {
    const { endpoint } = phones[side];
    rig.configure(plain[side].pair, settingsAt(endpoint, endpoint, { peer: secret[side].pair }));
  }
  const end = async (): Promise<void> => {
    await rig.relay.stop();
    wire.close();
    for (const phone of phones) phone.close();
    secure.certificates?.close();
    assert.deepEqual(rig.faults, []);
  };
  return { rig, secure, wire, phones, plain, secret, end };
}

function certificateOf({ certificates }: SecureMedia) {
  assert.ok(certificates !== undefined, "this machine has no OpenSSL to be reached");
  const certificate = certificates.current();
  return { certificate, fingerprint: certificates.fingerprint(certificate, "sha-256") };
}

function dtls(world: World, side: 0 | 1, fingerprint?: Fingerprint): DtlsSecurity {
  const own = certificateOf(world.secure);
  return {
    kind: "dtls",
    role: side === 0 ? "client" : "server",
    fingerprints: [fingerprint ?? own.fingerprint],
    certificate: own.certificate,
    association: 1,
  };
}

function ice(world: World, side: 0 | 1): IceSettings {
  const names = [
    { ufrag: "firstone", password: "passwordofthefirstone000" },
    { ufrag: "secondone", password: "passwordofthesecondone00" },
  ] as const;
  const [own, other] = side === 0 ? names : ([names[1], names[0]] as const);
  const candidate: RemoteCandidate = {
    foundation: "1",
    component: 1,
    priority: 2_130_706_431,
    endpoint: world.wire.endFor(side),
    type: "host",
  };
  return {
    localUfrag: own.ufrag,
    localPassword: own.password,
    remote: { ...other, isLite: false },
    isLite: false,
    isControlling: side === 0,
    candidates: [candidate],
    restart: 1,
  };
}

function configure(world: World, side: 0 | 1, settings: Partial<PairSettings>): void {
  const { rig, plain, secret } = world;
  const own: PairSettings = { ...plainSettings, rtcpMux: true, peer: plain[side].pair, ...settings };
  rig.configure(secret[side].pair, own);
}

/** Both phones send until each has heard the other a few times. */
async function talk({ phones, plain }: World): Promise<void> {
  let sequence = 0;
  const hears = (phone: Phone, ssrc: number): boolean =>
    phone.heard.filter((packet) => packet.length === 172 && packet.readUInt32BE(8) === ssrc).length >= 5;
  const timer = setInterval(() => {
    for (const side of [0, 1] as const) {
      void phones[side].send(rtpPacket(0xaaaa + side, sequence), plain[side].local.rtp);
    }
    sequence++;
  }, 10);
  try {
    await until(() => hears(phones[0], 0xaaab) && hears(phones[1], 0xaaaa), "media both ways");
  } finally {
    clearInterval(timer);
  }
}

/** RTP of phones: 160 times 0x55. */
function isClear(datagram: Buffer): boolean {
  return datagram.includes(Buffer.alloc(16, 0x55));
}

for (const driver of ["epoll", "dgram"] as const) {
  suite(`secure transport over ${driver}`, (test) => {
    test("ICE finds the way, DTLS makes keys, and media flows both ways, nothing of it in clear", async () => {
      const world = await build(driver);
      const { rig, wire, secret } = world;
      try {
        for (const side of [0, 1] as const) {
          configure(world, side, { security: dtls(world, side), ice: ice(world, side) });
        }
        for (const { pair } of secret) {
          await rig.waitFor((event) => event.kind === "dtls-connected" && event.pair === pair);
          await rig.waitFor((event) => event.kind === "ice-selected" && event.pair === pair);
        }
        await talk(world);
        assert.equal(wire.carried.some(isClear), false);
        for (const side of [0, 1] as const) {
          const view = rig.relay.transport(secret[side].pair);
          assert.equal(view?.handshakes.rtp?.kind, "connected");
          assert.deepEqual(view?.ice?.selected.rtp, wire.endFor(side));
          assert.equal(rig.relay.read(secret[side].pair)?.rtp.evidence, "cryptographic");
        }
        assert.equal(rig.relay.stats().transports.handshakes, 2);
      } finally {
        await world.end();
      }
    });

    test("without ICE the client begins at the signalled place, over a wire that loses every other flight", async () => {
      const world = await build(driver);
      const { rig, wire } = world;
      let flights = 0;
      wire.passes = (datagram) => datagram[0] !== 22 || flights++ % 2 === 1;
      try {
        for (const side of [0, 1] as const) {
          const end = wire.endFor(side);
          const { hints } = settingsAt(end, end, {});
          configure(world, side, { security: dtls(world, side), rtpTarget: end, rtcpTarget: end, hints });
        }
        await talk(world);
        assert.equal(wire.carried.some(isClear), false);
        assert.equal(rig.relay.stats().transports.handshakes, 2);
      } finally {
        await world.end();
      }
    });

    test("a certificate that SDP did not name gets nothing", async () => {
      const world = await build(driver);
      const { rig, wire, phones, plain, secret } = world;
      const other: Fingerprint = { hash: "sha-256", value: new Uint8Array(32).fill(7) };
      try {
        configure(world, 0, { security: dtls(world, 0), ice: ice(world, 0) });
        configure(world, 1, { security: dtls(world, 1, other), ice: ice(world, 1) });
        const failed = await rig.waitFor(
          (event) => event.kind === "dtls-failed" && event.pair === secret[1].pair,
        );
        assert.equal(failed.kind === "dtls-failed" && failed.reason, "wrong-certificate");
        for (let sequence = 0; sequence < 20; sequence++) {
          for (const side of [0, 1] as const) {
            await phones[side].send(rtpPacket(0xaaaa + side, sequence), plain[side].local.rtp);
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
        assert.equal(wire.carried.some(isClear), false);
        assert.deepEqual([phones[0].heard.length, phones[1].heard.length], [0, 0]);
      } finally {
        await world.end();
      }
    });

    test("floods of hellos and checks stay bounded, and leave room for the party", async () => {
      const world = await build(driver);
      const { rig, secure, secret, wire } = world;
      const attackers = await Promise.all([Phone.open(loopback), Phone.open(loopback)]);
      try {
        for (const side of [0, 1] as const) {
          configure(world, side, { security: dtls(world, side), ice: ice(world, side) });
        }
        const server = secret[1];
        await until(() => rig.relay.stats().transports.handshakes === 2, "the first association");
        const isHello = (datagram: Buffer): boolean => datagram[0] === 22 && datagram[13] === 1;
        const hello = wire.carried.find(isHello) as Buffer;
        const check = wire.carried.find((datagram) => datagram[0] === 0 && datagram[1] === 1) as Buffer;
        const association = { ...dtls(world, 1), association: 2 };
        const flood = async (): Promise<void> => {
          for (let sent = 0; sent < 2_000; sent++) {
            const datagram = Buffer.from(sent % 2 === 0 ? hello : check);
            // Another random of the hello, another transaction of the check.
            datagram.writeUInt32BE(sent, sent % 2 === 0 ? 30 : 8);
            await attackers[sent % 2]?.send(datagram, server.local.rtp);
          }
        };
        const { handshakes } = secure.dtlsCounts;
        configure(world, 1, { security: association, ice: ice(world, 1) });
        await flood();
        assert.ok(secure.dtlsCounts.handshakes - handshakes <= 4, "strangers have no handshakes");
        configure(world, 0, { security: { ...dtls(world, 0), association: 2 }, ice: ice(world, 0) });
        await Promise.all([
          flood(),
          until(() => rig.relay.stats().transports.handshakes === 4, "the party's new association"),
        ]);
        await talk(world);
      } finally {
        for (const attacker of attackers) attacker.close();
        await world.end();
      }
    });

    test("SDES keys: media flows both ways under them", async () => {
      const world = await build(driver);
      const { wire } = world;
      const key = (fill: number) => ({
        suite: "AEAD_AES_128_GCM" as const,
        masterKey: new Uint8Array(16).fill(fill),
        masterSalt: new Uint8Array(12).fill(fill),
        mki: undefined,
        encryptsRtp: true,
        encryptsRtcp: true,
        authenticatesRtp: true,
      });
      try {
        for (const side of [0, 1] as const) {
          const end = wire.endFor(side);
          const { hints } = settingsAt(end, end, {});
          const security: PairSecurity = { kind: "sdes", receive: [key(2 - side)], send: key(1 + side) };
          configure(world, side, { security, rtpTarget: end, rtcpTarget: end, hints });
        }
        await talk(world);
        assert.equal(wire.carried.some(isClear), false);
      } finally {
        await world.end();
      }
    });
  });
}
