// Writing expositions: text format 0.0.4 and OpenMetrics 1.0, as bytes. Everything is appended to one growing
// buffer with a plain loop over characters; at the few hundred lines of one exposition that beats both string
// concatenation and calls into Buffer for every short piece.

/** MetricKind is the type in a TYPE line. `unknown` is written as `untyped` in the text format. */
export type MetricKind = "counter" | "gauge" | "histogram" | "summary" | "unknown";

/** ExpositionFormat is one of the formats an exposition can be written in. */
export type ExpositionFormat = "text" | "openmetrics";

/** EXPOSITION_CONTENT_TYPES are the Content-Type headers of the formats. */
export const EXPOSITION_CONTENT_TYPES: Readonly<Record<ExpositionFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/**
 * negotiateExposition chooses the format for an Accept header: the one with the highest quality among those that
 * can be written, the text format when there is none or no header. Ties go to the one named first.
 */
export function negotiateExposition(accept: string | undefined): ExpositionFormat {
  let best: ExpositionFormat = "text";
  let bestQuality = 0;
  for (const range of (accept ?? "").split(",")) {
    const [type, ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    let quality = 1;
    let version = "";
    for (const parameter of parameters) {
      if (parameter.startsWith("q=")) quality = Number(parameter.slice(2)) || 0;
      else if (parameter.startsWith("version=")) version = parameter.slice(8).replaceAll('"', "");
    }
    let format: ExpositionFormat;
    if (type === "application/openmetrics-text" && (version === "" || version === "1.0.0" || version === "0.0.1")) {
      format = "openmetrics";
    } else if (type === "text/plain" || type === "text/*" || type === "*/*") format = "text";
    else continue;
    if (quality > bestQuality) {
      best = format;
      bestQuality = quality;
    }
  }
  return best;
}

const NEWLINE = 0x0a;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const LOWER_N = 0x6e;

/**
 * ExpositionWriter appends lines to a buffer that is reused by the next exposition. Callers write a family's
 * header once, then all of its samples.
 */
export class ExpositionWriter {
  private buffer: Uint8Array;
  private length = 0;
  readonly format: ExpositionFormat;

  constructor(format: ExpositionFormat = "text", capacity = 16 * 1024) {
    this.format = format;
    this.buffer = new Uint8Array(capacity);
  }

  /** reset starts a new exposition. */
  reset(): void {
    this.length = 0;
  }

  /** bytes returns a copy of what was written. */
  bytes(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }

  /** size is the number of bytes written. */
  get size(): number {
    return this.length;
  }

  /** truncate forgets what was written after `size`. */
  truncate(size: number): void {
    this.length = Math.min(this.length, size);
  }

  /** family writes the HELP and TYPE lines. OpenMetrics names a counter's family without `_total`. */
  family(name: string, kind: MetricKind, help: string): void {
    const open = this.format === "openmetrics";
    const shown = open && kind === "counter" && name.endsWith("_total") ? name.slice(0, -6) : name;
    this.text("# HELP ");
    this.text(shown);
    this.byte(SPACE);
    // The text format escapes no quotes in help; OpenMetrics does.
    this.escaped(help, open);
    this.text("\n# TYPE ");
    this.text(shown);
    this.byte(SPACE);
    this.text(kind === "unknown" && !open ? "untyped" : kind);
    this.byte(NEWLINE);
  }

  /** sample writes one line; label names and values are at the same places of their arrays. */
  sample(name: string, labelNames: readonly string[], labelValues: readonly string[], value: number): void {
    this.text(name);
    if (labelNames.length > 0) {
      this.byte(OPEN);
      for (let i = 0; i < labelNames.length; i++) {
        if (i > 0) this.byte(COMMA);
        this.label(labelNames[i], labelValues[i]);
      }
      this.byte(CLOSE);
    }
    this.value(value);
  }

  /** plain writes a line without labels. */
  plain(name: string, value: number): void {
    this.text(name);
    this.value(value);
  }

  /** prefixed writes a line whose name and labels are encoded already (see `encodePrefix`). */
  prefixed(prefix: Uint8Array, value: number): void {
    this.raw(prefix);
    this.value(value);
  }

  /** end writes what closes an OpenMetrics exposition; nothing in the text format. */
  end(): void {
    if (this.format === "openmetrics") this.text("# EOF\n");
  }

  /** raw appends bytes as they are. */
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** text appends characters as UTF-8, without escaping. */
  text(text: string): void {
    this.reserve(text.length * 3);
    const buffer = this.buffer;
    let at = this.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      // Slow path: whatever is left from the first character that is not ASCII.
      if (code > 0x7f) {
        at += encoder.encodeInto(i === 0 ? text : text.slice(i), buffer.subarray(at)).written;
        break;
      }
      buffer[at++] = code;
    }
    this.length = at;
  }

  private label(name: string, value: string): void {
    this.text(name);
    this.byte(EQUALS);
    this.byte(QUOTE);
    this.escaped(value, true);
    this.byte(QUOTE);
  }

  private value(value: number): void {
    this.byte(SPACE);
    this.text(formatValue(value));
    this.byte(NEWLINE);
  }

  private escaped(text: string, quotes: boolean): void {
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code !== BACKSLASH && code !== NEWLINE && !(quotes && code === QUOTE)) continue;
      if (i > from) this.text(text.slice(from, i));
      this.byte(BACKSLASH);
      this.byte(code === NEWLINE ? LOWER_N : code);
      from = i + 1;
    }
    this.text(from === 0 ? text : text.slice(from));
  }

  private byte(code: number): void {
    if (this.length === this.buffer.length) this.reserve(1);
    this.buffer[this.length++] = code;
  }

  private reserve(extra: number): void {
    const need = this.length + extra;
    if (need <= this.buffer.length) return;
    const grown = new Uint8Array(Math.max(need, this.buffer.length * 2));
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }
}

const encoder = new TextEncoder();

/** encodePrefix encodes a sample's name and labels, for samples that are written again and again. */
export function encodePrefix(name: string, labelNames: readonly string[], labelValues: readonly string[]): Uint8Array {
  const writer = new ExpositionWriter("text", 128);
  writer.sample(name, labelNames, labelValues, 0);
  return writer.bytes().slice(0, -3); // " 0\n"
}

/** formatValue prints a sample value: the shortest decimal that reads back as the same number. */
export function formatValue(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : "NaN";
}

/** formatBound prints a bucket bound for `le`; OpenMetrics wants a decimal point or an exponent in it. */
export function formatBound(bound: number, format: ExpositionFormat): string {
  const text = formatValue(bound);
  return format === "openmetrics" && /^-?\d+$/.test(text) ? `${text}.0` : text;
}
