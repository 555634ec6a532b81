/** An SDP as text again: CRLF line ends (RFC 8866 section 5), m= lines from their parts. */
import type { MediaSection, SdpLine, SessionDescription } from "./description.ts";

export function printSdp(description: SessionDescription): string {
  let text = printLines(description.session);
  for (const section of description.media) text += printMediaLine(section) + printLines(section.lines);
  return text;
}

function printMediaLine(section: MediaSection): string {
  const port = section.portCount === 1 ? `${section.port}` : `${section.port}/${section.portCount}`;
  const formats = section.formats.length === 0 ? "" : ` ${section.formats.join(" ")}`;
  return `m=${section.kind} ${port} ${section.protocol}${formats}\r\n`;
}

function printLines(lines: readonly SdpLine[]): string {
  let text = "";
  for (const line of lines) text += `${line.type}=${line.value}\r\n`;
  return text;
}
