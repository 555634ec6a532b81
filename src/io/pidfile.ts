/** The file that holds our process id while we run. */
import { closeSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { ListenError } from "./listen.ts";

/** Writes it and gives back how to remove it. Fails with a `ListenError`, also when another daemon of ours runs. */
export function writePidfile(path: string): () => void {
  const descriptor = create(path);
  writeSync(descriptor, `${process.pid}\n`);
  closeSync(descriptor);
  return () => {
    // Whoever wrote another number there has made it his own.
    if (readPid(path) === process.pid) rmSync(path, { force: true });
  };
}

function create(path: string): number {
  for (let attempt = 0; ; attempt++) {
    try {
      return openSync(path, "wx", 0o644);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? String(error);
      if (code !== "EEXIST" || attempt > 0) throw new ListenError("pidfile", path, code);
    }
    const owner = readPid(path);
    if (owner === undefined)
      throw new ListenError("pidfile", path, "there is a file that holds no process id");
    if (owner !== process.pid && isAlive(owner)) {
      throw new ListenError("pidfile", path, `process ${owner} is alive; is the daemon running already?`);
    }
    rmSync(path, { force: true });
  }
}

function readPid(path: string): number | undefined {
  try {
    const text = readFileSync(path, "utf8").trim();
    return /^[1-9][0-9]{0,9}$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
