/** UDP control listeners; a wildcard becomes one socket for each address this machine has at that moment. */
import type { Socket } from "node:dgram";
import { type Endpoint, formatEndpoint } from "../../core/address.ts";
import type { Logger } from "../../core/log.ts";
import { wildcardEndpoints } from "../host-addresses.ts";
import { bindUdp } from "../udp-socket.ts";
import type { ControlHandler, ControlListener } from "./contract.ts";
import type { ControlGuard } from "./guard.ts";
import { listenError } from "./listen-error.ts";

/** Room for a burst of commands while the thread is busy: some thousand offers. */
const receiveBufferSizeBytes = 4 * 1024 * 1024;

let socketsMinted = 0;

export async function openDatagramListener(
  endpoint: Endpoint,
  guard: ControlGuard,
  handler: ControlHandler,
  log: Logger,
): Promise<ControlListener> {
  const sockets: Socket[] = [];
  const endpoints: Endpoint[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(sockets.map((socket) => new Promise<void>((done) => socket.close(done))));
  };
  try {
    for (const wanted of socketsFor(endpoint)) {
      // Port 0 is chosen once, for all sockets.
      const port = wanted.port === 0 ? (endpoints[0]?.port ?? 0) : wanted.port;
      const socket = await bindUdp({ ip: wanted.ip, port });
      sockets.push(socket);
      growReceiveBuffer(socket, log);
      endpoints.push({ ip: wanted.ip, port: socket.address().port });
    }
  } catch (error) {
    await close();
    throw listenError({ kind: "udp", endpoint }, error);
  }
  for (const socket of sockets) receive(socket, guard, handler, log);
  return { endpoints, close };
}

/** One endpoint for each socket a listener there has. Throws when a wildcard finds no address. */
export function socketsFor(endpoint: Endpoint): readonly Endpoint[] {
  const found = wildcardEndpoints(endpoint);
  if (found.length > 0) return found;
  throw listenError({ kind: "udp", endpoint }, new Error("this machine has no such address"));
}

function growReceiveBuffer(socket: Socket, log: Logger): void {
  socket.setRecvBufferSize(receiveBufferSizeBytes);
  // Linux tells twice what it was asked for, the half being its own overhead (socket(7)).
  const factor = process.platform === "linux" ? 2 : 1;
  const grantedSizeBytes = socket.getRecvBufferSize() / factor;
  if (grantedSizeBytes >= receiveBufferSizeBytes) return;
  log.warn(
    { wantedSizeBytes: receiveBufferSizeBytes, grantedSizeBytes },
    "control receive buffer is smaller than wanted; raise net.core.rmem_max",
  );
}

function receive(socket: Socket, guard: ControlGuard, handler: ControlHandler, log: Logger): void {
  const listener = ++socketsMinted;
  socket.on("message", (bytes, from) => {
    const endpoint = guard.admit(from.address, from.port);
    if (endpoint === undefined) return;
    handler.onMessage(bytes, {
      framing: "datagram",
      listener,
      endpoint,
      reply: (reply) => sendTo(socket, endpoint, reply, log),
    });
  });
  socket.on("error", (error) => log.warn({ error: error.message }, "control socket reports an error"));
}

function sendTo(socket: Socket, target: Endpoint, bytes: Uint8Array, log: Logger): void {
  const failed = (error: Error): void =>
    log.warn({ target: formatEndpoint(target), error: error.message }, "control reply could not be sent");
  try {
    socket.send(bytes, target.port, target.ip, (error) => {
      if (error !== null) failed(error);
    });
  } catch (error) {
    // A reply that is ready after the listener was closed has no socket any more.
    failed(error instanceof Error ? error : new Error(String(error)));
  }
}
