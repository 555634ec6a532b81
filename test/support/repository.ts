/** The repository's own files, for tests that compare documents with code. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder of package.json, wherever the tests were compiled to. */
export const repositoryRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

/** The compiled counterpart of a source file, such as `src/cli.ts`. */
export function compiled(source: string): string {
  const output = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  return join(output, source.replace(/\.ts$/, ".js"));
}

export function repositoryFile(name: string): string {
  return readFileSync(join(repositoryRoot, name), "utf8");
}

/** What stands between `<!-- name -->` and `<!-- end of name -->` in a document. */
export function markedPart(text: string, name: string): string {
  const part = new RegExp(`<!-- ${name} -->\\n\\n([\\s\\S]*?)\\n<!-- end of ${name} -->`).exec(text)?.[1];
  if (part === undefined) throw new Error(`no part ${name}`);
  return part;
}

function findRoot(from: string): string {
  return existsSync(join(from, "package.json")) ? from : findRoot(dirname(from));
}
