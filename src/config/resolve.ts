/** Layers of settings into one checked, frozen configuration, or into all that is wrong with them. */
import { type Endpoint, formatEndpoint } from "../core/address.ts";
import { cidrContains, classifyIp } from "../core/address-class.ts";
import type { ListenSpec } from "../core/listen-spec.ts";
import { ok, type Result, refused } from "../core/result.ts";
import { defaultsPlace, type Given, type Layer, type Place, type Problem, quote } from "./layer.ts";
import type { Option } from "./option.ts";
import { type Config, type ConfigName, type Draft, rows, schema } from "./schema.ts";
import { checkTurn, type Origin, turnWarnings } from "./turn-checks.ts";

/** Media ports that one call with two parties takes. */
const portsPerCall = 4;

/** `layers` run from the weakest to the strongest; a key of a stronger one replaces the whole key below it. */
export function resolveConfig(layers: readonly Layer[]): Result<Config, readonly Problem[]> {
  const problems: Problem[] = [];
  const values: Record<string, unknown> = {};
  const wrong = new Set<ConfigName>();
  const origins = new Map<ConfigName, readonly Given[]>();
  for (const [name, row] of rows) {
    let items = readItems(row, defaultsOf(row)).items;
    for (const layer of layers) {
      const given = layer.get(name);
      if (given === undefined) continue;
      const reading = readItems(row, given);
      origins.set(name, given);
      if (reading.problems.length === 0) items = reading.items;
      else wrong.add(name);
      problems.push(...reading.problems);
    }
    values[name] = row.build(items);
  }
  // The loop above has built a value of the row's own type for every name.
  const draft = values as unknown as Draft;
  const config: Config = { ...draft, maxSessions: draft.maxSessions ?? sessionsOf(draft) };
  const origin: Origin = (name, index = 0) => origins.get(name)?.[index]?.place ?? defaultsPlace;
  // What follows compares values; one that could not be read has been told already.
  const isRight = (...names: readonly ConfigName[]): boolean => !names.some((name) => wrong.has(name));
  if (isRight("portMin", "portMax")) problems.push(...checkPorts(config, origin));
  if (isRight("interfaces")) problems.push(...checkInterfaces(config, origin));
  if (!origins.has("controlAllow")) {
    if (isRight("listenNg")) problems.push(...checkNgGuard(config, origin));
    if (isRight("listenRtpproxy")) problems.push(...checkRtpproxyGuard(config, origin));
  }
  problems.push(...checkTurn(config, origin, isRight));
  return problems.length > 0 ? refused(problems) : ok(Object.freeze(config));
}

function defaultsOf(row: Option<unknown>): readonly Given[] {
  return row.defaults.map((text) => ({ text, place: defaultsPlace }));
}

function readItems(
  row: Option<unknown>,
  given: readonly Given[],
): { readonly items: readonly unknown[]; readonly problems: readonly Problem[] } {
  if (row.mayBeNone && given.length === 1 && given[0]?.text === "none") return { items: [], problems: [] };
  const items: unknown[] = [];
  const problems: Problem[] = [];
  for (const [index, result] of row.read(given.map((value) => value.text)).entries()) {
    if (result.ok) items.push(result.value);
    else {
      const { place = defaultsPlace, text = "" } = given[index] ?? {};
      problems.push({
        place,
        message: `${row.key}: ${row.isSecret ? "its value" : quote(text)} is not right; wanted is ${result.reason}`,
      });
    }
  }
  return { items, problems };
}

function sessionsOf(config: Draft): number {
  return Math.max(1, Math.floor((config.portMax - config.portMin + 1) / portsPerCall));
}

function checkPorts(config: Config, origin: Origin): readonly Problem[] {
  const firstEven = config.portMin + (config.portMin % 2);
  if (firstEven + 1 <= config.portMax) return [];
  const isMaxGiven = origin("portMax") !== defaultsPlace;
  return [
    {
      place: origin(isMaxGiven ? "portMax" : "portMin"),
      message: `port-max: ${config.portMin} to ${config.portMax} holds no pair of an even and the next odd port`,
    },
  ];
}

function checkInterfaces(config: Config, origin: Origin): readonly Problem[] {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  for (const [index, { name, ip }] of config.interfaces.entries()) {
    if (seen.has(`${name}/${ip}`)) {
      problems.push({
        place: origin("interfaces", index),
        message: `interface: ${name}/${ip} is given twice`,
      });
    }
    seen.add(`${name}/${ip}`);
  }
  return problems;
}

function checkNgGuard(config: Config, origin: Origin): readonly Problem[] {
  return config.listenNg.flatMap((endpoint, index) =>
    checkGuard(schema.listenNg.key, endpoint, origin("listenNg", index)),
  );
}

function checkRtpproxyGuard(config: Config, origin: Origin): readonly Problem[] {
  return config.listenRtpproxy.flatMap((spec, index) =>
    checkGuard(schema.listenRtpproxy.key, endpointOf(spec), origin("listenRtpproxy", index)),
  );
}

/** A control listener that others can reach needs a word on who may use it. */
function checkGuard(key: string, endpoint: Endpoint | undefined, place: Place): readonly Problem[] {
  if (endpoint === undefined || classifyIp(endpoint.ip) === "loopback") return [];
  const where = formatEndpoint(endpoint);
  const message = `${key}: ${where} can be reached from elsewhere; say with control-allow which addresses may use it`;
  return [{ place, message }];
}

/** undefined for a unix socket, which permissions guard. */
function endpointOf(spec: ListenSpec): Endpoint | undefined {
  return "endpoint" in spec ? spec.endpoint : undefined;
}

/** What is allowed but hardly meant; one line each for the log. */
export function configWarnings(config: Config): readonly string[] {
  const listeners = [...config.listenNg, ...config.listenRtpproxy.map(endpointOf)];
  const isShutOut = listeners.some(
    (endpoint) =>
      endpoint !== undefined &&
      classifyIp(endpoint.ip) === "loopback" &&
      !config.controlAllow.some((range) => cidrContains(range.cidr, endpoint.ip)),
  );
  const warnings: string[] = [];
  if (isShutOut) {
    warnings.push("control-allow leaves out loopback, so nobody can use the control listeners there");
  }
  return [...warnings, ...turnWarnings(config)];
}
