/** Exit codes; those above 63 are sysexits(3). */
export const exitCode = {
  ok: 0,
  /** An address in use, a missing permission, a call that does not exist, a daemon that does not answer. */
  failed: 1,
  /** The command line makes no sense. */
  usage: 64,
  /** A wrong setting, in the file or on the command line of `serve`. */
  config: 78,
} as const;
