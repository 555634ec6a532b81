/** TURN sockets on Linux, bound by main: one listener for each worker on the same port, and relays. */
import type { Endpoint, IpAddress } from "../../core/address.ts";
import type { TurnBindResult, TurnListenResult } from "../../relay/turn/turn-driver.ts";
import { close, duplicateCommand, errnoName, fcntl } from "./libc.ts";
import { bindFailure, SocketBinder } from "./sockets.ts";

/** Half a second of 4 Mbit/s video, as for media. */
const relayBufferBytes = 256 * 1024;
/** All clients of a worker share its listener; without CAP_NET_ADMIN the kernel grants what net.core.rmem_max allows. */
const listenerBufferBytes = 4 * 1024 * 1024;

export class TurnBinder {
  readonly #binder = new SocketBinder();
  readonly #workers: number;
  readonly #tos: number;

  constructor(workers: number, tos: number) {
    this.#workers = workers;
    this.#tos = tos;
  }

  bindListener({ ip, port }: Endpoint): TurnListenResult {
    const options = {
      tos: this.#tos,
      receiveBufferBytes: listenerBufferBytes,
      isLarge: true,
      isShared: false,
    };
    // The first bind shares with nobody: with SO_REUSEPORT on, another process of ours would get half of the clients.
    const first = this.#binder.bindOne(ip, port, options);
    if (first < 0) return { ok: false, reason: errnoName(-first) };
    const chosen = this.#binder.portOf(first);
    if (this.#workers === 1) return { ok: true, handles: [first], port: chosen };
    close(first);
    const handles: number[] = [];
    while (handles.length < this.#workers) {
      const handle = this.#binder.bindOne(ip, chosen, { ...options, isShared: true });
      if (handle < 0) {
        for (const each of handles) close(each);
        return { ok: false, reason: errnoName(-handle) };
      }
      handles.push(handle);
    }
    return { ok: true, handles, port: chosen };
  }

  bindRelay(ip: IpAddress, port: number): TurnBindResult {
    const options = { tos: this.#tos, receiveBufferBytes: relayBufferBytes, isLarge: false, isShared: false };
    const handle = this.#binder.bindOne(ip, port, options);
    return handle < 0 ? { ok: false, reason: bindFailure(-handle) } : { ok: true, handle };
  }

  duplicate(handle: number): number | undefined {
    const other = fcntl(handle, duplicateCommand, 3);
    return other < 0 ? undefined : other;
  }

  discard(handle: number): void {
    close(handle);
  }
}
