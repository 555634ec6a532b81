/**
 * `@credential:NAME` stands for a file that systemd hands to the service (systemd.exec(5), LoadCredential=): it becomes
 * `@FILE` before any value is read.
 */
import type { Layer } from "./layer.ts";

/** systemd's rule for names: those of files. */
const reference = /(^|:)@credential:([A-Za-z0-9_.-]{1,255})$/;

/** Without a folder they stay as they are, and are refused where they are read. */
export function withCredentials(layer: Layer, folder: string | undefined): Layer {
  if (folder === undefined || folder === "") return layer;
  return new Map(
    [...layer].map(([name, given]) => [
      name,
      given.map((value) => ({ ...value, text: value.text.replace(reference, `$1@${escaped(folder)}/$2`) })),
    ]),
  );
}

/** A dollar sign means something in a replacement. */
function escaped(folder: string): string {
  return folder.replaceAll("$", "$$$$");
}
