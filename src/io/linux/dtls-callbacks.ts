/** What OpenSSL calls back of every DTLS server: registered once a process, as koffi never gives the memory back. */
import koffi from "koffi";

export interface SharedCallbacks {
  readonly cookie: number;
  readonly timer: number;
}

/** RFC 6347 section 4.2.4.1 allows less than its 1 s where delay matters; then doubled. */
const timerUsMin = 400_000;
const timerUsMax = 6_400_000;

/** The address of a C function; the name in the prototype may be used once in a process. */
export function registerCallback(prototype: string, call: (...args: number[]) => number): number {
  return Number(koffi.register(call, koffi.pointer(koffi.proto(prototype))));
}

let shared: SharedCallbacks | undefined;

export function sharedCallbacks(): SharedCallbacks {
  shared ??= {
    // Cookies are ours and found good before OpenSSL sees them.
    cookie: registerCallback("int DtlsCookieCheck(uintptr_t, uintptr_t, uint32_t)", () => 1),
    timer: registerCallback("uint32_t DtlsTimer(uintptr_t, uint32_t)", (_connection, lastUs = 0) =>
      lastUs === 0 ? timerUsMin : Math.min(2 * lastUs, timerUsMax),
    ),
  };
  return shared;
}
