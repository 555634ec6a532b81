/** What `VF <date>` is answered: each date names an extension of the protocol, and only what works is announced. */

/** The answer to `V`. */
export const baseVersion = "20040107";

const capabilities: ReadonlySet<string> = new Set([
  baseVersion,
  // Several streams in a session (`tag;medianum`); Kamailio will not work without it.
  "20050322",
  // V takes an argument.
  "20060704",
  // Q.
  "20080403",
  // Codec lists behind U and L.
  "20081102",
  // A local address chosen by the route to the remote one (`r`).
  "20090810",
  // Load in I.
  "20140323",
  // G.
  "20141004",
  // A new port for a session that has one (`n`).
  "20150330",
  // Q with counters by name, rtpa_ counters among them.
  "20150420",
  // Local addresses by name (`l{name}`).
  "20260306",
]);

/** Timeout notification, and `%%CC_SELF%%` for the address of whoever gave the command. */
const notificationCapabilities: ReadonlySet<string> = new Set(["20081224", "20150617"]);

export function hasCapability(date: string, notifies: boolean): boolean {
  return capabilities.has(date) || (notifies && notificationCapabilities.has(date));
}
