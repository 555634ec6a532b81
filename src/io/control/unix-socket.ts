/**
 * Binds a server to a unix socket file.
 *
 * A file left behind by a dead process is replaced, a living one's never, and nothing that is not a socket is touched.
 * The file is born closed to everybody but the owner and opened to `mode` and `group` afterwards.
 */
import { chmod, chown, lstat, readFile, stat, unlink } from "node:fs/promises";
import { connect, type Server } from "node:net";
import { dirname } from "node:path";
import type { UnixListenSpec } from "../../core/listen-spec.ts";
import { errorCodeOf } from "./listen-error.ts";

export async function listenUnix(server: Server, spec: UnixListenSpec): Promise<void> {
  const gid = spec.group === undefined ? undefined : await groupId(spec.group);
  // Asked first, because libuv reports a missing folder as lacking permission.
  await stat(dirname(spec.path));
  try {
    await listenOnce(server, spec.path);
  } catch (error) {
    if (errorCodeOf(error) !== "EADDRINUSE" || !(await removeStale(spec.path))) throw error;
    await listenOnce(server, spec.path);
  }
  try {
    if (gid !== undefined) await chown(spec.path, -1, gid);
    await chmod(spec.path, spec.mode);
  } catch (error) {
    await new Promise<void>((done) => server.close(() => done()));
    throw error;
  }
}

function listenOnce(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    const umask = process.umask(0o177);
    // The file comes into being inside this call.
    server.listen({ path }, () => {
      server.removeListener("error", reject);
      resolve();
    });
    process.umask(umask);
  });
}

/** True when the file is gone; false when somebody listens there. */
async function removeStale(path: string): Promise<boolean> {
  const file = await lstat(path).catch(() => undefined);
  if (file === undefined) return true;
  if (!file.isSocket()) throw new Error("there is a file of that name that is no socket");
  if (await isAlive(path)) return false;
  await unlink(path);
  return true;
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // Anything but a refusal, such as a full backlog, is a sign of life.
    probe.once("error", (error) => resolve(errorCodeOf(error) !== "ECONNREFUSED"));
  });
}

/** Numbers, and names of /etc/group. */
async function groupId(group: string): Promise<number> {
  if (/^[0-9]+$/.test(group)) return Number(group);
  const text = await readFile("/etc/group", "utf8").catch(() => "");
  for (const line of text.split("\n")) {
    const [name, , gid] = line.split(":");
    if (name === group && gid !== undefined) return Number(gid);
  }
  throw new Error(`there is no group ${group}`);
}
