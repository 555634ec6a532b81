/** Files with secrets: read at start and at each reload, never watched. */
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { messageOf } from "../../core/thrown.ts";
import { meaningOf } from "../listen.ts";
import type { Certificate } from "./stream-listener.ts";

/** A file of users has a line of some 100 bytes for each. */
const fileSizeBytesMax = 4 * 1024 * 1024;

/** A file that cannot be read or makes no sense; the message is one line for the operator, without what is in it. */
export class SecretFileError extends Error {
  constructor(option: string, path: string, why: string) {
    super(`${option} ${path}: ${why}`);
    this.name = "SecretFileError";
  }
}

export interface SecretFile {
  readonly path: string;
  readonly text: string;
  /** Others than its owner and group may read it. */
  readonly isOpen: boolean;
}

/** Throws a `SecretFileError` that names `option`. */
export function readSecretFile(option: string, path: string): SecretFile {
  try {
    const { mode, size } = statSync(path);
    if (size > fileSizeBytesMax) throw new SecretFileError(option, path, "the file is too large");
    return { path, text: readFileSync(path, "utf8"), isOpen: (mode & 0o004) !== 0 };
  } catch (error) {
    if (error instanceof SecretFileError) throw error;
    throw new SecretFileError(
      option,
      path,
      meaningOf((error as NodeJS.ErrnoException).code ?? String(error)),
    );
  }
}

/** Lines that say something: neither empty nor a comment. */
export function linesOf({ text }: SecretFile): readonly string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== "" && !line.startsWith("#"));
}

/** Both files, tried out together; `isOpen`: the key's. Throws a `SecretFileError`. */
export function readCertificate(
  certPath: string,
  keyPath: string,
): Certificate & { readonly isOpen: boolean } {
  const cert = readSecretFile("turn-cert", certPath);
  const key = readSecretFile("turn-key", keyPath);
  const pem = { cert: Buffer.from(cert.text), key: Buffer.from(key.text) };
  try {
    createSecureContext(pem);
  } catch (error) {
    const why = messageOf(error);
    throw new SecretFileError("turn-cert", certPath, `it cannot be used with turn-key: ${why}`);
  }
  return { ...pem, isOpen: key.isOpen };
}
