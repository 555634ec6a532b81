/**
 * Which notification sockets a `U` may name.
 *
 * A command cannot make the relay connect anywhere: the socket it names must be one of those configured, with or
 * without its scheme. `%%CC_SELF%%` in it stands for the address the command came from.
 */
import { formatEndpoint, type IpAddress, parseIp } from "../../core/address.ts";

const self = "%%CC_SELF%%";
const loopback = parseIp("127.0.0.1");

/** The socket to connect to, `unix:PATH` or `tcp:HOST:PORT`; undefined when it is not one of `allowed`. */
export function notifyTarget(
  wanted: string,
  allowed: readonly string[],
  source: IpAddress | undefined,
): string | undefined {
  const match = allowed.find((socket) => socket === wanted || withoutScheme(socket) === wanted);
  if (match === undefined) return undefined;
  const target = /^(?:tcp|unix):/.test(match) ? match : `unix:${match}`;
  const port = target.startsWith(`tcp:${self}:`) ? Number(target.slice(`tcp:${self}:`.length)) : undefined;
  if (port === undefined) return target;
  const ip = source ?? loopback;
  return ip === undefined ? undefined : `tcp:${formatEndpoint({ ip, port })}`;
}

function withoutScheme(socket: string): string {
  return socket.replace(/^(?:tcp|unix):/, "");
}
