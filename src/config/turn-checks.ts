/** What of the TURN server's settings cannot be, or is hardly meant. */
import { familyOf, type IpAddress, isUnspecified } from "../core/address.ts";
import { classifyIp } from "../core/address-class.ts";
import { turnSecretsMax } from "../core/limits.ts";
import { defaultsPlace, type Place, type Problem } from "./layer.ts";
import type { Config, ConfigName } from "./schema.ts";

/** Where a value stands. */
export type Origin = (name: ConfigName, index?: number) => Place;

/** False for names whose values could not be read, which has been told already. */
type IsRight = (...names: readonly ConfigName[]) => boolean;

export function checkTurn(config: Config, origin: Origin, isRight: IsRight): readonly Problem[] {
  if (config.listenTurn.length === 0 || !isRight("listenTurn")) return [];
  const problems: Problem[] = [];
  const add = (name: ConfigName, message: string): void => {
    const place = origin(name);
    problems.push({ place: place === defaultsPlace ? origin("listenTurn") : place, message });
  };
  const { turnUsers, turnSecrets, turnAnonymous, turnCert, turnKey } = config;
  const isOpen = turnUsers.length > 0 || turnSecrets.length > 0 || turnAnonymous;
  if (!isOpen && isRight("turnUsers", "turnSecrets", "turnAnonymous")) {
    add(
      "listenTurn",
      "listen-turn: nobody could use it; give turn-user or turn-secret, or turn-anonymous to serve everybody",
    );
  }
  if (turnSecrets.length > turnSecretsMax) {
    add("turnSecrets", `turn-secret: at most ${turnSecretsMax} are valid at once`);
  }
  const secure = config.listenTurn.findIndex(({ transport }) => transport === "tls" || transport === "dtls");
  if (secure >= 0 && (turnCert === undefined || turnKey === undefined) && isRight("turnCert", "turnKey")) {
    const { transport } = config.listenTurn[secure] ?? { transport: "tls" };
    problems.push({
      place: origin("listenTurn", secure),
      message: `listen-turn: ${transport} needs turn-cert and turn-key`,
    });
  }
  if (config.turnLifetimeMs > config.turnMaxLifetimeMs) {
    add("turnMaxLifetimeMs", "turn-max-lifetime: it is shorter than turn-lifetime");
  }
  const { turnInterface } = config;
  if (turnInterface !== undefined && !config.interfaces.some(({ name }) => name === turnInterface)) {
    add("turnInterface", `turn-interface: there is no interface of the name ${turnInterface}`);
  }
  const why = discoveryProblem(config);
  if (why !== undefined) add("turnDiscovery", `turn-discovery: ${why}`);
  return problems;
}

function discoveryProblem({ turnDiscovery, listenTurn }: Config): string | undefined {
  if (turnDiscovery === undefined) return undefined;
  const first = listenTurn.find(({ transport }) => transport === "udp")?.endpoint;
  if (first === undefined) return "it needs a udp listener";
  if (isUnspecified(first.ip) || first.port === 0)
    return "the first udp listener has to name its address and port";
  if (familyOf(first.ip) !== familyOf(turnDiscovery.ip)) return "both addresses have to be of one family";
  if (first.ip === turnDiscovery.ip || first.port === turnDiscovery.port) {
    return "its address and port have to differ from those of the first udp listener";
  }
  return undefined;
}

/** One line each for the log. */
export function turnWarnings(config: Config): readonly string[] {
  const warnings: string[] = [];
  const { interfaces, listenTurn, turnUsers, turnSecrets, turnAnonymous, turnAllowPeer } = config;
  if (listenTurn.length === 0) {
    if (turnUsers.length > 0 || turnSecrets.length > 0 || turnAnonymous) {
      warnings.push("there are TURN users or secrets and no listen-turn, so nobody can use them");
    }
    return warnings;
  }
  const isLoopback = (ip: IpAddress): boolean => classifyIp(ip) === "loopback";
  const isInside = interfaces.every(({ advertisedIp }) => isLoopback(advertisedIp));
  if (isInside && !listenTurn.every(({ endpoint }) => isLoopback(endpoint.ip))) {
    warnings.push(
      "TURN relays are opened on loopback, where no peer is; name this machine's address with interface",
    );
  }
  if (turnAnonymous) {
    warnings.push("turn-anonymous: whoever reaches the TURN server may send through it");
  }
  if (turnAllowPeer.some(({ cidr }) => cidr.prefixBits === 0 || cidr.prefixBits === 96)) {
    warnings.push("turn-allow-peer allows every address, loopback and private networks among them");
  }
  return warnings;
}
