/** The errors the documents promise: what a hostile message may be told. */
import { repositoryFile } from "../repository.ts";

/** Texts of docs/ng.md's table of errors, `...` standing for anything. */
export function documentedNgErrors(): readonly RegExp[] {
  const table = errorTable("docs/ng.md", /^\| Text \| When \|$/m);
  const texts = table.flatMap((row) =>
    [...(row[0] ?? "").matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? ""),
  );
  if (texts.length < 20) throw new Error("docs/ng.md: where is the table of errors?");
  return texts.map((text) => new RegExp(`^${text.split("...").map(escapeText).join("[^]*")}$`));
}

/** Codes of docs/rtpproxy.md's table of errors, ranges spread out. */
export function documentedRtpproxyErrors(): ReadonlySet<string> {
  const text = repositoryFile("docs/rtpproxy.md");
  const codes = new Set<string>();
  for (const [row] of text.matchAll(/^\| `E[0-9]+`.*?\|/gm)) {
    for (const [, from = "", to] of row.matchAll(/`E([0-9]+)`(?: to `E([0-9]+)`)?/g)) {
      for (let code = Number(from); code <= Number(to ?? from); code++) codes.add(`E${code}`);
    }
  }
  if (codes.size < 20) throw new Error("docs/rtpproxy.md: where is the table of errors?");
  return codes;
}

function errorTable(name: string, head: RegExp): readonly (readonly string[])[] {
  const text = repositoryFile(name);
  const start = head.exec(text)?.index ?? 0;
  const end = text.indexOf("\n\n", start);
  return text
    .slice(start, end)
    .split("\n")
    .slice(2)
    .map((line) => line.split("|").slice(1, -1));
}

function escapeText(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
