/** Text for terminals: columns, durations, and words of strangers without their control characters. */

/** Rows under their headings; numbers are set to the right. */
export function table(headings: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => (typeof cell === "number" ? String(cell) : printable(cell))),
  );
  const widths = headings.map((heading, column) =>
    Math.max(heading.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[], isNumeric: (column: number) => boolean): string =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumeric(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const isNumeric = (column: number): boolean => typeof rows[0]?.[column] === "number";
  return [headings, ...cells].map((row) => line(row, isNumeric)).join("\n");
}

/** Controls, and the marks that reorder or hide text (zero width, direction, byte order). */
const steering = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Call-ids and tags come from the network: nothing in them may steer the operator's terminal. */
export function printable(text: string): string {
  return text.replace(steering, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
}

/** `4.2 s`, `3:07`, `2:15:00`. */
export function duration(milliseconds: number): string {
  if (milliseconds < 60_000) return `${(Math.max(0, milliseconds) / 1_000).toFixed(1)} s`;
  const total = Math.floor(milliseconds / 1_000);
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(total / 3_600);
  const minutes = Math.floor(total / 60) % 60;
  return hours > 0 ? `${hours}:${two(minutes)}:${two(total % 60)}` : `${minutes}:${two(total % 60)}`;
}

/** `17.3 MiB`. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${units[unit]}`;
}
