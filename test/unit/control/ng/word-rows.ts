/** The tables of docs/ng.md, made of the vocabulary the parser works with. */
import { flagWords } from "../../../../src/control/ng/flag-words.ts";
import { keyWords } from "../../../../src/control/ng/key-words.ts";
import type { Key, Word } from "../../../../src/control/ng/word-table.ts";

const header = ["| Word | Effect | Meaning |", "| --- | --- | --- |"];

function row(names: readonly string[], effect: string, about: string): string {
  const [first = "", ...others] = names.map((name) => `\`${name}\``);
  const also = others.length === 0 ? "" : `; also ${others.join(", ")}`;
  return `| ${first} | ${effect} | ${about}${also} |`;
}

/** A key, and below it the words it takes. */
function keyRows(key: Key): readonly string[] {
  const [name = ""] = key.names;
  const about = key.isFlagPrefix === true ? `${key.about}; as a flag \`${name}-...\`` : key.about;
  if (key.words === undefined) return [row(key.names, key.effect, about)];
  const words = key.words.entries.map(({ names: [first = "", ...others], effect, about: meaning }: Word) =>
    row([`${name}=${first}`, ...others], effect, meaning),
  );
  return [row(key.names, "by word", about), ...words];
}

export function keyTable(): string {
  return [...header, ...keyWords.entries.flatMap(keyRows)].join("\n");
}

export function flagTable(): string {
  return [...header, ...flagWords.entries.map(({ names, effect, about }) => row(names, effect, about))].join(
    "\n",
  );
}
