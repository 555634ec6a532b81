/** The schema as text for people: the table of docs/configuration.md and the sample file systemd/rtpferry.toml. */
import type { Option } from "./option.ts";
import { rows } from "./schema.ts";

const lineWidth = 100;

export function optionDocument(): string {
  const lines = rows.map(([, row]) => {
    const value = row.argument ?? "";
    const cells = [`\`${row.key}\``, value === "" ? "flag" : code(value), defaultCell(row), meaning(row)];
    return `| ${cells.join(" | ")} |`;
  });
  return ["| Key and option | Value | Default | Meaning |", "|---|---|---|---|", ...lines, ""].join("\n");
}

function code(text: string): string {
  return `\`${text.replaceAll("|", "\\|")}\``;
}

function defaultCell(row: Option<unknown>): string {
  if (row.defaultNote !== undefined) return row.defaultNote;
  return row.defaults.length === 0 ? "none" : row.defaults.map(code).join(", ");
}

function meaning(row: Option<unknown>): string {
  const notes = [row.isRepeatable ? "May be repeated." : "", unitNote(row)];
  return [row.help, ...notes].filter((part) => part !== "").join(" ");
}

function unitNote(row: Option<unknown>): string {
  if (row.unit === "s") return "Seconds.";
  return row.unit === undefined ? "" : `${row.unit}.`;
}

/** Every key, commented out, with its default or an example. */
export function sampleFile(): string {
  const head = [
    "# Settings of rtpferry; see docs/configuration.md.",
    "# Every line is optional. Where nothing else is said, the value shown is the default.",
  ];
  const body = rows.flatMap(([, row]) => ["", ...wrap(describe(row)), `#${row.key} = ${sampleValue(row)}`]);
  return `${[...head, ...body].join("\n")}\n`;
}

function describe(row: Option<unknown>): string {
  if (row.defaults.length > 0) return meaning(row);
  return `${meaning(row)} ${row.defaultNote === undefined ? "Not set." : `Default: ${row.defaultNote}.`}`;
}

function sampleValue(row: Option<unknown>): string {
  const texts = row.defaults.length > 0 ? row.defaults : [row.example];
  const values = texts.map((text) => (row.fileType === "string" ? JSON.stringify(text) : text));
  return row.isRepeatable ? `[${values.join(", ")}]` : values.join("");
}

function wrap(text: string): readonly string[] {
  const lines: string[] = [];
  let line = "#";
  for (const word of text.split(" ")) {
    if (line.length + 1 + word.length > lineWidth) {
      lines.push(line);
      line = "#";
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
