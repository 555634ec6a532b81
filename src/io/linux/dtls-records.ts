/** What OpenSSL wrote, cut into datagrams: it writes records one after another. */
import { dtlsDatagramSizeBytesMax } from "../../core/limits.ts";
import type { Arena } from "./arena.ts";

const headerBytes = 13;

/** From the start of the arena; a datagram is no larger than the MTU unless one record alone is. */
export function cutDatagrams({ bytes, view }: Arena, sizeBytes: number): readonly Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  let begin = 0;
  let end = 0;
  while (end + headerBytes <= sizeBytes) {
    const next = end + headerBytes + view.getUint16(end + 11);
    if (next > sizeBytes) break;
    if (next - begin > dtlsDatagramSizeBytesMax && end > begin) {
      datagrams.push(bytes.slice(begin, end));
      begin = end;
    }
    end = next;
  }
  if (end > begin) datagrams.push(bytes.slice(begin, end));
  return datagrams;
}
