/** The options of `serve`, made from the schema; their values are kept as text for the schema to read. */
import { type Command, Option } from "commander";
import { commandLinePlace, type Given, type Layer, type Problem } from "../config/layer.ts";
import type { Option as Row } from "../config/option.ts";
import { type ConfigName, rows } from "../config/schema.ts";
import { unknownName } from "../config/toml.ts";

/** What the command line said. */
export interface CommandLine {
  readonly configFile: string | undefined;
  readonly layer: Layer;
  readonly problems: readonly Problem[];
}

/** Adds the options; call the result when the command runs. */
export function addServeOptions(command: Command): () => CommandLine {
  const layer = new Map<ConfigName, readonly Given[]>();
  command.option("--config <FILE>", "Read settings from a TOML file; options here go before it.");
  for (const [name, row] of rows) {
    const flags = row.argument === undefined ? `--${row.key}` : `--${row.key} <${row.argument}>`;
    command.addOption(new Option(flags, describe(row)));
    command.on(`option:${row.key}`, (text: string | null) => {
      layer.set(name, [...(layer.get(name) ?? []), { text: text ?? "true", place: commandLinePlace }]);
    });
  }
  // Taken as they come, so that what is wrong is told together with wrong values.
  command.allowUnknownOption().allowExcessArguments();
  return () => ({
    configFile: command.opts<{ config?: string }>().config,
    layer,
    problems: leftoverProblems(command.args),
  });
}

function describe(row: Row<unknown>): string {
  const parts = [row.unit, row.isRepeatable ? "repeatable" : undefined, defaultOf(row)];
  const notes = parts.filter((part) => part !== undefined).join(", ");
  return notes === "" ? row.help : `${row.help} (${notes})`;
}

function defaultOf(row: Row<unknown>): string | undefined {
  if (row.argument === undefined) return undefined;
  if (row.defaultNote !== undefined) return `default: ${row.defaultNote}`;
  return row.defaults.length === 0 ? undefined : `default: ${row.defaults.join(", ")}`;
}

/** Unknown options, and words that belong to no option. The word behind an unknown option is taken for its value. */
function leftoverProblems(words: readonly string[]): readonly Problem[] {
  const problems: Problem[] = [];
  for (const [index, word] of words.entries()) {
    const isOption = word.startsWith("-");
    if (isOption) {
      const key = word.replace(/^-+/, "").split("=", 1)[0] ?? "";
      problems.push({ place: commandLinePlace, message: unknownName(key, "--") });
    } else if (words[index - 1]?.startsWith("--") !== true) {
      problems.push({ place: commandLinePlace, message: `${JSON.stringify(word)} belongs to no option` });
    }
  }
  return problems;
}
