/** The other side of ctl-server.ts: one request, one reply. */
import { connect } from "node:net";
import type { CtlReply } from "./ctl-server.ts";
import { meaningOf } from "./listen.ts";

const replyTimeoutMs = 10_000;
const replySizeBytesMax = 256 * 1024 * 1024;

/** Never fails: a daemon that cannot be reached is a reply with `ok: false`. */
export function askDaemon(path: string, request: Readonly<Record<string, unknown>>): Promise<CtlReply> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    const finish = (reply: CtlReply): void => {
      socket.destroy();
      resolve(reply);
    };
    const refuse = (error: string): void => finish({ ok: false, error: `${path}: ${error}` });
    socket.setTimeout(replyTimeoutMs, () => refuse("no answer"));
    socket.on("connect", () => socket.write(`${JSON.stringify(request)}\n`));
    socket.on("data", (chunk) => {
      chunks.push(chunk);
      sizeBytes += chunk.length;
      if (sizeBytes > replySizeBytesMax) refuse("the answer is too long");
      else if (chunk.at(-1) === 0x0a) finish(decode(Buffer.concat(chunks).toString()));
    });
    socket.on("error", (error: NodeJS.ErrnoException) => refuse(unreachable(error.code ?? error.message)));
    socket.on("close", () => refuse("the daemon closed the connection"));
  });
}

function unreachable(code: string): string {
  if (code === "ENOENT" || code === "ECONNREFUSED") return "no daemon listens here; is it running?";
  return meaningOf(code);
}

function decode(text: string): CtlReply {
  try {
    return JSON.parse(text) as CtlReply;
  } catch {
    return { ok: false, error: "the answer is not JSON" };
  }
}
