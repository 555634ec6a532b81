/**
 * The operator's door: a unix socket that speaks JSON, one request and one reply a line.
 *
 *   {"command":"show","callId":"..."}   ->   {"ok":true,"result":{...}}   or   {"ok":false,"error":"..."}
 *
 * Mode 0600 says who may knock. The socket is removed on close; what a killed daemon left behind is replaced, a
 * socket that still answers is not.
 */
import { chmodSync, lstatSync, mkdirSync, rmdirSync, rmSync, statSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { closeServer, ListenError, listen } from "./listen.ts";

export type CtlReply =
  | { readonly ok: true; readonly result: unknown }
  /** One sentence for the operator. */
  | { readonly ok: false; readonly error: string };

/** Carries out one request; `request` is any JSON object a client cared to send. */
export type CtlHandler = (request: Readonly<Record<string, unknown>>) => CtlReply | Promise<CtlReply>;

export interface CtlServer {
  readonly path: string;
  close(): Promise<void>;
}

const requestSizeBytesMax = 4 * 1024;
const connectionsMax = 16;
const idleTimeoutMs = 10_000;

/** Fails with a `ListenError` when the path cannot be had. */
export async function startCtlServer(path: string, handler: CtlHandler): Promise<CtlServer> {
  const madeFolder = prepareFolder(dirname(path));
  await clearPath(path);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, handler);
  });
  server.maxConnections = connectionsMax;
  await listenPrivately(server, path);
  return {
    path,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await closeServer(server);
      rmSync(path, { force: true });
      if (madeFolder) removeIfEmpty(dirname(path));
    },
  };
}

/** The socket must not be open to others even for a moment: the mask is set before bind creates it. */
async function listenPrivately(server: ReturnType<typeof createServer>, path: string): Promise<void> {
  const mask = process.umask(0o177);
  let listening: Promise<void>;
  try {
    listening = listen(server, "ctl", { path });
  } finally {
    process.umask(mask);
  }
  await listening;
  chmodSync(path, 0o600);
}

/** Makes the folder for us alone, or checks that nobody else could have put something in our place. */
function prepareFolder(folder: string): boolean {
  try {
    mkdirSync(folder, { mode: 0o700 });
    return true;
  } catch (error) {
    const code = codeOf(error);
    if (code !== "EEXIST") throw new ListenError("ctl", folder, code);
  }
  const target = statSync(folder);
  // Of a link both count: whoever owns it can point it elsewhere.
  const isForeign = [lstatSync(folder), target].some(({ uid }) => uid !== process.getuid?.() && uid !== 0);
  const isOpen = (target.mode & 0o022) !== 0 && (target.mode & 0o1000) === 0;
  if (isForeign || isOpen) {
    throw new ListenError("ctl", folder, "the folder belongs to, or can be written by, somebody else");
  }
  return false;
}

/** Removes a socket that nobody answers on. */
async function clearPath(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new ListenError("ctl", path, "there is a file of another kind");
  const isAnswered = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.once("error", (error) => resolve(codeOf(error) !== "ECONNREFUSED"));
  });
  if (isAnswered) throw new ListenError("ctl", path, "EADDRINUSE");
  rmSync(path, { force: true });
}

function serve(socket: Socket, handler: CtlHandler): void {
  let pending = "";
  let isBusy = false;
  socket.setEncoding("utf8");
  socket.setTimeout(idleTimeoutMs, () => socket.destroy());
  socket.on("error", () => socket.destroy());
  const next = (): void => {
    const end = pending.indexOf("\n");
    if (isBusy || socket.destroyed) return;
    if (end < 0 ? pending.length > requestSizeBytesMax : end > requestSizeBytesMax) {
      socket.end(encode({ ok: false, error: "the request is too long" }));
      return;
    }
    if (end < 0) {
      socket.resume();
      return;
    }
    const line = pending.slice(0, end);
    pending = pending.slice(end + 1);
    isBusy = true;
    // One request at a time: whoever sends more waits in the kernel, not in our memory.
    socket.pause();
    void reply(line, handler).then((answer) => {
      isBusy = false;
      if (!socket.destroyed) socket.write(encode(answer), next);
    });
  };
  socket.on("data", (chunk: string) => {
    pending += chunk;
    next();
  });
}

async function reply(line: string, handler: CtlHandler): Promise<CtlReply> {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    return { ok: false, error: "the request is not JSON" };
  }
  if (typeof request !== "object" || request === null || Array.isArray(request)) {
    return { ok: false, error: "the request is not a JSON object" };
  }
  return handler(request as Record<string, unknown>);
}

function encode(reply: CtlReply): string {
  return `${JSON.stringify(reply)}\n`;
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // Somebody else keeps something there: it stays.
  }
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error);
}
