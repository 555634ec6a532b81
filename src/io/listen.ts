/** Opening stream listeners, and saying in one line why one cannot be opened. */
import type { ListenOptions, Server } from "node:net";

/** An address, a path or a permission that the machine does not give; the message is one line for the operator. */
export class ListenError extends Error {
  readonly option: string;

  constructor(option: string, place: string, code: string) {
    super(`${option} ${place}: ${meaningOf(code)}`);
    this.name = "ListenError";
    this.option = option;
  }
}

/** What an error of bind(2) or open(2) says in plain words. */
export function meaningOf(code: string): string {
  return meanings.get(code) ?? code;
}

const meanings: ReadonlyMap<string, string> = new Map([
  ["EADDRINUSE", "already in use by another process"],
  ["EADDRNOTAVAIL", "this machine does not have that address"],
  ["EAFNOSUPPORT", "this machine does not have that address family"],
  ["EACCES", "permission denied"],
  ["EPERM", "permission denied"],
  ["ENOENT", "there is no such file or directory"],
  ["ENOTDIR", "part of the path is not a directory"],
  ["EROFS", "the file system is read-only"],
  ["EISDIR", "it is a directory"],
  ["EMFILE", "too many open files; raise the limit (LimitNOFILE, ulimit -n)"],
]);

/** Resolves when the server listens; `option` is what the error names. */
export function listen(server: Server, option: string, address: ListenOptions): Promise<void> {
  const place = address.path ?? formatHost(address);
  return new Promise((resolve, reject) => {
    const refuse = (error: NodeJS.ErrnoException): void =>
      reject(new ListenError(option, place, error.code ?? error.message));
    server.once("error", refuse);
    server.listen(address, () => {
      server.off("error", refuse);
      resolve();
    });
  });
}

function formatHost({ host = "", port = 0 }: ListenOptions): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
