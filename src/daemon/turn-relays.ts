/**
 * Relayed addresses: which port of which interface, who has it bound, and which of our ports are open at this moment.
 * The ports are the media's, so that "a port of ours" is one question.
 */
import { type Endpoint, familyOf } from "../core/address.ts";
import { turnBindAttemptsMax } from "../core/limits.ts";
import type { PairId, RelayEvent } from "../core/plan/plan.ts";
import type { Random } from "../core/random.ts";
import type { Clock } from "../core/time.ts";
import type { BindOutcome, RelayBinding } from "../io/turn/contract.ts";
import type { Interfaces, RelayInterface } from "../relay/interfaces.ts";
import { SinglePorts } from "../relay/single-ports.ts";
import type { ActionOf, RelayId } from "../turn/actions.ts";
import type { OwnPlaces } from "../turn/own-places.ts";
import type { OpenedRelay, RelayFailure } from "../turn/server.ts";

/** Who binds the sockets: a carrier, or the relays over TCP. */
export interface RelayOwner {
  bindRelay(binding: RelayBinding, done: (outcome: BindOutcome) => void): void;
  closeRelay(relay: RelayId, done: () => void): void;
}

export interface TurnRelaysParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly interfaces: Interfaces;
  readonly addresses: readonly RelayInterface[];
  /** Name of the interface that relays are opened on, if the operator named one. */
  readonly interfaceName: string | undefined;
  readonly own: OwnPlaces;
  readonly ownerOf: (action: ActionOf<"open">) => RelayOwner;
  readonly opened: (relay: RelayId, opened: OpenedRelay) => void;
  readonly failed: (relay: RelayId, failure: RelayFailure) => void;
}

interface Open {
  readonly owner: RelayOwner;
  readonly local: Endpoint;
  readonly isUdp: boolean;
}

type Wanted = ActionOf<"open">;

export class TurnRelays {
  readonly #parts: TurnRelaysParts;
  readonly #ports = new Map<string, SinglePorts>();
  readonly #open = new Map<RelayId, Open>();
  readonly #media = new Map<PairId, Endpoint>();

  constructor(parts: TurnRelaysParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#open.size;
  }

  /** What media does with its ports. */
  noteMedia(event: RelayEvent): void {
    const { own } = this.#parts;
    if (event.kind === "opened") {
      const { rtp } = event.local;
      this.#media.set(event.pair, rtp);
      for (const port of [rtp.port, rtp.port + 1]) own.setPort({ ip: rtp.ip, port }, true);
    } else if (event.kind === "closed") {
      const rtp = this.#media.get(event.pair);
      this.#media.delete(event.pair);
      if (rtp === undefined) return;
      for (const port of [rtp.port, rtp.port + 1]) own.setPort({ ip: rtp.ip, port }, false);
    }
  }

  /** `opened` or `failed` follows. */
  open(wanted: Wanted): void {
    this.#try(wanted, this.#addressesFor(wanted), 0);
  }

  close(relay: RelayId): void {
    const open = this.#open.get(relay);
    if (open === undefined) return;
    this.#open.delete(relay);
    const { owner, local, isUdp } = open;
    if (isUdp) this.#parts.own.setPort(local, false);
    owner.closeRelay(relay, () => this.#portsOf(local.ip).giveBack(local.port));
  }

  /** Takes a port of the first address that has one and binds it; a taken port leads to the next. */
  #try(wanted: Wanted, addresses: readonly RelayInterface[], attempt: number): void {
    const { clock, failed } = this.#parts;
    const [address, ...others] = addresses;
    if (address === undefined || attempt >= turnBindAttemptsMax) {
      failed(wanted.relay, "no-port");
      return;
    }
    const ports = this.#portsOf(address.ip);
    const port = ports.take(clock.monotonicMs(), wanted.port);
    if (port === undefined) {
      this.#try(wanted, others, attempt);
      return;
    }
    this.#bind(wanted, wanted.relay, { ip: address.ip, port }, (outcome) => {
      if (outcome === "bound") this.#bindNext(wanted, addresses, attempt, port);
      else {
        const isPair = wanted.next !== undefined;
        // The lower port of two first: then nobody needs the pair, and all of it is put aside.
        if (isPair) ports.giveBack(port + 1);
        this.#refuse(wanted, addresses, { attempt, port, outcome });
      }
    });
  }

  #bindNext(wanted: Wanted, addresses: readonly RelayInterface[], attempt: number, port: number): void {
    const [address] = addresses;
    const { relay, next } = wanted;
    if (address === undefined) return;
    const { ip } = address;
    if (next === undefined) {
      this.#tell(relay, address, port, undefined);
      return;
    }
    this.#bind(wanted, next, { ip, port: port + 1 }, (outcome) => {
      if (outcome === "bound") {
        this.#tell(relay, address, port, port + 1);
        return;
      }
      this.close(relay);
      this.#refuse(wanted, addresses, { attempt, port: port + 1, outcome });
    });
  }

  #refuse(
    wanted: Wanted,
    addresses: readonly RelayInterface[],
    {
      attempt,
      port,
      outcome,
    }: { readonly attempt: number; readonly port: number; readonly outcome: BindOutcome },
  ): void {
    const { clock, failed } = this.#parts;
    const [address] = addresses;
    if (address === undefined) return;
    const ports = this.#portsOf(address.ip);
    if (outcome === "port-taken") {
      ports.avoid(port, clock.monotonicMs());
      this.#try(wanted, addresses, attempt + 1);
    } else {
      ports.giveBack(port);
      failed(wanted.relay, "failed");
    }
  }

  #bind(wanted: Wanted, relay: RelayId, local: Endpoint, done: (outcome: BindOutcome) => void): void {
    const owner = this.#parts.ownerOf(wanted);
    const isUdp = wanted.transport === "udp";
    owner.bindRelay({ relay, ...local, client: wanted.client }, (outcome) => {
      if (outcome === "bound") {
        this.#open.set(relay, { owner, local, isUdp });
        if (isUdp) this.#parts.own.setPort(local, true);
      }
      done(outcome);
    });
  }

  #tell(relay: RelayId, address: RelayInterface, port: number, nextPort: number | undefined): void {
    const { ip, advertisedIp } = address;
    const at = (which: number) => ({
      local: { ip, port: which },
      advertised: { ip: advertisedIp, port: which },
    });
    this.#parts.opened(relay, {
      ...at(port),
      ...(nextPort === undefined ? {} : { next: at(nextPort) }),
    });
  }

  /** All addresses of one interface: the named one, the one the client speaks to, or the first. */
  #addressesFor({ family, client }: Wanted): readonly RelayInterface[] {
    const { addresses, interfaceName } = this.#parts;
    const ofFamily = addresses.filter(({ ip }) => familyOf(ip) === family);
    const name = interfaceName ?? addresses.find(({ ip }) => ip === client.local.ip)?.name;
    const named = ofFamily.filter((each) => each.name === name);
    if (named.length > 0) return named;
    return ofFamily.filter((each) => each.name === ofFamily[0]?.name);
  }

  #portsOf(ip: Endpoint["ip"]): SinglePorts {
    let ports = this.#ports.get(ip);
    if (ports === undefined) {
      ports = new SinglePorts(this.#parts.interfaces.poolOf(ip), this.#parts.random);
      this.#ports.set(ip, ports);
    }
    return ports;
  }
}
