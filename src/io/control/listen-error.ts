/** Why a control listener could not be opened, in one line for whoever starts the daemon. */
import { formatListenSpec, type ListenSpec } from "../../core/listen-spec.ts";
import { messageOf } from "../../core/thrown.ts";
import { ListenError } from "../listen.ts";

export function listenError(spec: ListenSpec, cause: unknown): ListenError {
  const reason = messageOf(cause);
  return new ListenError("control listener", formatListenSpec(spec), errorCodeOf(cause) ?? reason);
}

/** `EADDRINUSE` and the like, if it is an error of the system. */
export function errorCodeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}
