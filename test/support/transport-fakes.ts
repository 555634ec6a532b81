/** An ICE agent and DTLS associations that do what a test says, and remember what was asked of them. */
import type { Endpoint, IpAddress } from "../../src/core/address.ts";
import type { PairSettings } from "../../src/core/plan/plan.ts";
import type { CertificateId, IceSettings, SrtpKey } from "../../src/core/plan/security.ts";
import type { MonotonicMs } from "../../src/core/time.ts";
import type { IceAction } from "../../src/ice/actions.ts";
import type { DtlsSecurity } from "../../src/relay/transports/socket-handshake.ts";
import type {
  DtlsPart,
  DtlsRequest,
  IcePart,
  TransportMakers,
} from "../../src/relay/transports/transport-parts.ts";
import type { DtlsAction } from "../../src/srtp/dtls/actions.ts";
import { plainSettings } from "./relay-rig.ts";

export function at(port: number, ip = "192.0.2.7"): Endpoint {
  return { ip: ip as IpAddress, port };
}

export const atMs = (time: number): MonotonicMs => time as MonotonicMs;

export class FakeIce implements IcePart {
  readonly configured: { readonly settings: IceSettings; readonly components: 1 | 2 }[] = [];
  readonly heard: { readonly component: 1 | 2; readonly source: Endpoint }[] = [];
  /** Given by the next call, whichever it is. */
  next: readonly IceAction[] = [];
  deadlineMs: MonotonicMs | undefined;
  timeouts = 0;

  configure(_nowMs: MonotonicMs, settings: IceSettings, components: 1 | 2): readonly IceAction[] {
    this.configured.push({ settings, components });
    return this.#take();
  }

  handlePacket(_nowMs: MonotonicMs, component: 1 | 2, source: Endpoint): readonly IceAction[] {
    this.heard.push({ component, source });
    return this.#take();
  }

  handleTimeout(): readonly IceAction[] {
    this.timeouts++;
    this.deadlineMs = undefined;
    return this.#take();
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.deadlineMs;
  }

  #take(): readonly IceAction[] {
    const actions = this.next;
    this.next = [];
    return actions;
  }
}

export class FakeDtls implements DtlsPart {
  readonly request: DtlsRequest;
  readonly heard: { readonly source: Endpoint; readonly isVouched: boolean }[] = [];
  readonly aims: Endpoint[] = [];
  next: readonly DtlsAction[] = [];
  deadlineMs: MonotonicMs | undefined;
  timeouts = 0;
  isClosed = false;

  constructor(request: DtlsRequest) {
    this.request = request;
  }

  handlePacket(
    _nowMs: MonotonicMs,
    source: Endpoint,
    _bytes: Uint8Array,
    isVouched: boolean,
  ): readonly DtlsAction[] {
    this.heard.push({ source, isVouched });
    return this.#take();
  }

  aim(_nowMs: MonotonicMs, target: Endpoint): readonly DtlsAction[] {
    this.aims.push(target);
    return this.#take();
  }

  handleTimeout(): readonly DtlsAction[] {
    this.timeouts++;
    this.deadlineMs = undefined;
    return this.#take();
  }

  nextDeadlineMs(): MonotonicMs | undefined {
    return this.isClosed ? undefined : this.deadlineMs;
  }

  close(): void {
    this.isClosed = true;
  }

  #take(): readonly DtlsAction[] {
    const actions = this.next;
    this.next = [];
    return actions;
  }
}

export class FakeMakers implements TransportMakers {
  readonly agents: FakeIce[] = [];
  readonly associations: FakeDtls[] = [];
  hasDtls = true;

  ice(): FakeIce {
    const agent = new FakeIce();
    this.agents.push(agent);
    return agent;
  }

  dtls(request: DtlsRequest): FakeDtls | undefined {
    if (!this.hasDtls) return undefined;
    const association = new FakeDtls(request);
    this.associations.push(association);
    return association;
  }
}

export const someIce: IceSettings = {
  localUfrag: "ours",
  localPassword: "oursoursoursoursoursours",
  remote: { ufrag: "them", password: "themthemthemthemthemthem", isLite: false },
  isLite: false,
  isControlling: true,
  candidates: [],
  restart: 1,
};

export const someDtls: DtlsSecurity = {
  kind: "dtls",
  role: "server",
  fingerprints: [{ hash: "sha-256", value: new Uint8Array(32) }],
  certificate: 1 as CertificateId,
  association: 1,
};

export function someKey(fill: number): SrtpKey {
  return {
    suite: "AES_CM_128_HMAC_SHA1_80",
    masterKey: new Uint8Array(16).fill(fill),
    masterSalt: new Uint8Array(14).fill(fill),
    mki: undefined,
    encryptsRtp: true,
    encryptsRtcp: true,
    authenticatesRtp: true,
  };
}

export function pairAt(settings: Partial<PairSettings>): PairSettings {
  return { ...plainSettings, rtcpMux: true, ...settings };
}
