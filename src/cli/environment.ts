/** The environment variables that count: systemd's and the user's runtime folder. Settings do not come from here. */
import type { NotifyEnvironment } from "../io/sd-notify.ts";
import type { PathEnvironment } from "./ctl-path.ts";

/** Where systemd puts a service's credentials (systemd.exec(5), LoadCredential=). */
interface CredentialEnvironment {
  readonly CREDENTIALS_DIRECTORY?: string | undefined;
}

// biome-ignore lint/style/noProcessEnv: the one place where the environment is read.
export const environment: NotifyEnvironment & PathEnvironment & CredentialEnvironment = process.env;

/** 0 where there are no user ids. */
export const userId = process.getuid?.() ?? 0;
