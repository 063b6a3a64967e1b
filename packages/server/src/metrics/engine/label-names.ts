import { quoteGo } from "@belfry/core/model";

/** isValidLabelName tells whether a name may be a label's: any text that is not empty and valid UTF-8. */
export function isValidLabelName(name: string): boolean {
  return name !== "" && name.isWellFormed();
}

/** quoteBytes quotes a string of a query. Bytes that are not UTF-8 (the parser keeps byte b as U+DC00+b) are written as \xNN. */
export function quoteBytes(text: string): string {
  const parts = text.split(/([\udc80-\udcff])/);
  const quoted = parts.map((part, i) =>
    i % 2 === 1 ? `\\x${(part.charCodeAt(0) - 0xdc00).toString(16)}` : quoteGo(part).slice(1, -1),
  );
  return `"${quoted.join("")}"`;
}
