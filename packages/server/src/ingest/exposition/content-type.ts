// Which parser a body needs. A target that does not say, or says something unknown, is refused unless the
// configuration names a fallback protocol for it.
import { quoteGo } from "@belfry/core/model";
import { ExpositionError } from "./exposition-error.ts";

/** ExpositionFormat names a parser. */
export type ExpositionFormat = "text" | "openmetrics" | "protobuf";

const FORMATS: Readonly<Record<string, ExpositionFormat>> = {
  "text/plain": "text",
  "application/openmetrics-text": "openmetrics",
  "application/vnd.google.protobuf": "protobuf",
};

/** FormatChoice is the format of a body, and why it was not the one the target named. */
export interface FormatChoice {
  format: ExpositionFormat;
  /** warning is upstream's text for a fallback that was needed, "" otherwise. */
  warning: string;
}

/** chooseFormat picks the format for a Content-Type header; `fallbackMediaType` is "" where none is configured. Throws ExpositionError. */
export function chooseFormat(contentType: string, fallbackMediaType: string): FormatChoice {
  const fallback = (reason: string, refusal: string): FormatChoice => {
    const format = FORMATS[fallbackMediaType];
    if (format === undefined) throw new ExpositionError(refusal, 0);
    return { format, warning: `${reason}, using fallback_scrape_protocol ${quoteGo(fallbackMediaType)}` };
  };
  if (contentType === "") {
    const reason = "non-compliant scrape target sending blank Content-Type";
    return fallback(reason, `${reason} and no fallback_scrape_protocol specified for target`);
  }
  const quoted = quoteGo(contentType);
  const parsed = parseMediaType(contentType);
  if ("error" in parsed) {
    return fallback(
      `could not parse received Content-Type ${quoted}`,
      `cannot parse Content-Type ${quoted} and no fallback_scrape_protocol for target\n${parsed.error}`,
    );
  }
  const format = Object.hasOwn(FORMATS, parsed.mediaType) ? FORMATS[parsed.mediaType] : undefined;
  if (format !== undefined) return { format, warning: "" };
  const reason = `received unsupported Content-Type ${quoted}`;
  return fallback(reason, `${reason} and no fallback_scrape_protocol specified for target`);
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+/;
const QUOTED = /^"(?:[^"\\\r\n]|\\.)*"/;

// parseMediaType follows Go's mime.ParseMediaType: type and parameters must be well formed, a name occurs once.
function parseMediaType(header: string): { mediaType: string } | { error: string } {
  const semicolon = header.indexOf(";");
  const mediaType = (semicolon < 0 ? header : header.slice(0, semicolon)).trim().toLowerCase();
  const [type, subtype, ...more] = mediaType.split("/");
  if (type === "") return { error: "mime: no media type" };
  if (!isToken(type)) return { error: "mime: unexpected content after media type" };
  if (subtype !== undefined && !isToken(subtype)) return { error: "mime: expected token after slash" };
  if (more.length > 0) return { error: "mime: unexpected content after media subtype" };
  const seen = new Set<string>();
  let rest = semicolon < 0 ? "" : header.slice(semicolon);
  while (rest !== "") {
    rest = rest.replace(/^\s+/, "");
    if (rest === "") break;
    if (!rest.startsWith(";")) return { error: "mime: invalid media parameter" };
    rest = rest.slice(1).replace(/^\s+/, "");
    // A semicolon at the end is ignored.
    if (rest === "") break;
    const name = TOKEN.exec(rest)?.[0];
    if (name === undefined) return { error: "mime: invalid media parameter" };
    rest = rest.slice(name.length).replace(/^\s+/, "");
    if (!rest.startsWith("=")) return { error: "mime: invalid media parameter" };
    rest = rest.slice(1).replace(/^\s+/, "");
    const value = (rest.startsWith('"') ? QUOTED : TOKEN).exec(rest)?.[0];
    if (value === undefined) return { error: "mime: invalid media parameter" };
    rest = rest.slice(value.length);
    if (seen.has(name.toLowerCase())) return { error: "mime: duplicate parameter name" };
    seen.add(name.toLowerCase());
  }
  return { mediaType };
}

function isToken(text: string): boolean {
  return TOKEN.exec(text)?.[0] === text && text !== "";
}
