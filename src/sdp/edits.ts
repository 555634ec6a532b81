/** What a request may change in the lines and codecs of an SDP on its way through (docs/ng.md). */

/** Codec names as in a=rtpmap (`PCMU`, `opus/48000/2`), or payload types of the static table; `all` and `full` too. */
export interface CodecEdit {
  readonly strip: readonly string[];
  readonly offer: readonly string[];
  readonly except: readonly string[];
  readonly ignore: readonly string[];
}

export type AttributeEdit = {
  /** `none` and `global` mean the session level. */
  readonly scope: "none" | "global" | "audio" | "video";
} & (
  | { readonly action: "add" | "remove"; readonly attribute: string }
  | { readonly action: "substitute"; readonly attribute: string; readonly replacement: string }
);

export type ReplaceItem =
  | "origin"
  | "origin-full"
  | "session-connection"
  | "session-name"
  | "sdp-version"
  | "username"
  | "zero-address"
  | "force-increment-sdp-ver";
