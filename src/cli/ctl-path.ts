/** Where the ctl socket is when nobody says. */
import { existsSync } from "node:fs";

/** The variables that decide it. */
export interface PathEnvironment {
  readonly RUNTIME_DIRECTORY?: string | undefined;
  readonly XDG_RUNTIME_DIR?: string | undefined;
}

/** Of systemd/rtpferry.service. */
const serviceSocket = "/run/rtpferry/ctl.sock";

/** For the daemon: systemd's runtime directory, else the user's, else a folder of the user's own in /tmp. */
export function daemonCtlPath(environment: PathEnvironment, userId: number): string {
  const runtime = environment.RUNTIME_DIRECTORY?.split(":", 1)[0];
  return runtime ? `${runtime}/ctl.sock` : userCtlPath(environment, userId);
}

/** For the client: the user's own daemon if there is one, else the service. */
export function clientCtlPath(environment: PathEnvironment, userId: number): string {
  const own = userCtlPath(environment, userId);
  return !existsSync(own) && existsSync(serviceSocket) ? serviceSocket : own;
}

function userCtlPath({ XDG_RUNTIME_DIR: folder }: PathEnvironment, userId: number): string {
  return folder ? `${folder}/rtpferry/ctl.sock` : `/tmp/rtpferry-${userId}/ctl.sock`;
}
