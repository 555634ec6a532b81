/** How workers read and send datagrams, and what becomes of one that could not be sent. */
import { sendCode } from "../../relay/driver.ts";
import { error, messageFlag } from "./libc.ts";

export const receiveFlags = messageFlag.dontwait | messageFlag.trunc;
export const sendFlags = messageFlag.dontwait | messageFlag.nosignal;

/** By error number. ECONNREFUSED is an ICMP error of an earlier packet and is gone once reported: the same send works now. */
export function isPassing(code: number): boolean {
  return code === error.ECONNREFUSED || code === error.EINTR;
}

export function isQueueFull(code: number): boolean {
  return code === error.EAGAIN || code === error.ENOBUFS;
}

/** The code of `sendCode` for a send that failed for good. */
export function failureOf(code: number): number {
  return isQueueFull(code) ? sendCode.queueFull : sendCode.failed;
}
