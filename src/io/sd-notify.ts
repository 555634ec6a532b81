/** What we tell systemd (sd_notify(3)): ready, alive, stopping. Without systemd, or off Linux, it tells nobody. */

/** The variables that systemd sets for Type=notify services. */
export interface NotifyEnvironment {
  readonly NOTIFY_SOCKET?: string | undefined;
  readonly WATCHDOG_USEC?: string | undefined;
  readonly WATCHDOG_PID?: string | undefined;
}

export interface SystemdNotifier {
  /** Feed the watchdog more often than this; undefined: nobody watches. */
  readonly watchdogMs: number | undefined;
  ready(status: string): void;
  alive(): void;
  stopping(): void;
}

/** A message that systemd does not take is lost; systemd then acts by its own timeouts. */
export async function openSystemdNotifier(environment: NotifyEnvironment): Promise<SystemdNotifier> {
  const socketPath = environment.NOTIFY_SOCKET;
  if (socketPath === undefined || process.platform !== "linux") {
    return { watchdogMs: undefined, ready: nothing, alive: nothing, stopping: nothing };
  }
  // Late, so that nothing native loads where nobody listens.
  const { sendDatagram } = await import("./linux/sd-notify.ts");
  const send = (message: string): void => {
    sendDatagram(socketPath, message);
  };
  return {
    watchdogMs: watchdogMs(environment),
    ready: (status) => send(`READY=1\nSTATUS=${status.replaceAll("\n", " ")}`),
    alive: () => send("WATCHDOG=1"),
    stopping: () => send("STOPPING=1"),
  };
}

function watchdogMs(environment: NotifyEnvironment): number | undefined {
  const { WATCHDOG_USEC: period = "", WATCHDOG_PID: pid } = environment;
  if (!/^[0-9]{1,15}$/.test(period) || Number(period) === 0) return undefined;
  return pid === undefined || pid === String(process.pid) ? Number(period) / 1_000 : undefined;
}

function nothing(): void {}
