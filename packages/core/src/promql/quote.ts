// Strings as Go writes and reads them. A query may hold bytes that are not UTF-8 (`"\xff"`); such a byte b is kept as
// the lone surrogate U+DC00+b, which no decoded text contains, and written as `\xNN` again.

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** RAW_BYTE is the first of the code units that stand for bytes which are not UTF-8. */
const RAW_BYTE = 0xdc00;

/** unquote returns the value of a quoted string whose escapes the lexer has checked. */
export function unquote(quoted: string): string {
  const body = quoted.slice(1, -1);
  if (quoted.charCodeAt(0) === 0x60 || !body.includes("\\")) return body;
  let out = "";
  // bytes collects adjacent bytes given as \xNN or \NNN, which together may be UTF-8.
  let bytes: number[] = [];
  for (let i = 0; i < body.length;) {
    const c = body[i]!;
    if (c === "\\") {
      const kind = body[i + 1]!;
      if (kind === "x") {
        bytes.push(Number.parseInt(body.slice(i + 2, i + 4), 16));
        i += 4;
        continue;
      }
      if (kind >= "0" && kind <= "7") {
        bytes.push(Number.parseInt(body.slice(i + 1, i + 4), 8));
        i += 4;
        continue;
      }
    }
    if (bytes.length > 0) {
      out += decodeBytes(bytes);
      bytes = [];
    }
    if (c !== "\\") {
      out += c;
      i++;
      continue;
    }
    const kind = body[i + 1]!;
    if (kind === "u" || kind === "U") {
      const digits = kind === "u" ? 4 : 8;
      out += String.fromCodePoint(Number.parseInt(body.slice(i + 2, i + 2 + digits), 16));
      i += 2 + digits;
    } else {
      out += ESCAPES[kind] ?? kind;
      i += 2;
    }
  }
  return out + decodeBytes(bytes);
}

/** decodeBytes decodes UTF-8 and keeps every byte that is not part of a valid sequence as a lone surrogate. */
function decodeBytes(bytes: readonly number[]): string {
  let out = "";
  for (let i = 0; i < bytes.length;) {
    const first = bytes[i]!;
    const length = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    let code = first < 0x80 ? first : first & (0x7f >> length);
    let valid = first < 0x80 || (first >= 0xc2 && first <= 0xf4 && i + length <= bytes.length);
    for (let j = 1; valid && j < length; j++) {
      const next = bytes[i + j]!;
      if ((next & 0xc0) !== 0x80) valid = false;
      code = (code << 6) | (next & 0x3f);
    }
    if (length === 3 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) valid = false;
    if (length === 4 && (code < 0x10000 || code > 0x10ffff)) valid = false;
    out += valid ? String.fromCodePoint(code) : String.fromCharCode(RAW_BYTE + first);
    i += valid ? length : 1;
  }
  return out;
}

const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]$/u;

/**
 * quote writes a string as Go's strconv.Quote does, so that it can be parsed again. U+FFFD is escaped although Go
 * writes it as is: the lexer takes a bare one for invalid UTF-8.
 */
export function quote(text: string): string {
  let plain = true;
  for (let i = 0; i < text.length && plain; i++) {
    const code = text.charCodeAt(i);
    plain = code >= 0x20 && code < 0x7f && code !== 0x22 && code !== 0x5c;
  }
  if (plain) return `"${text}"`;
  let out = '"';
  for (const char of text) out += escaped(char, '"');
  return out + '"';
}

/** quoteRune writes one character as fmt's %q verb does: `'x'`. */
export function quoteRune(char: string): string {
  return `'${escaped(char, "'", true)}'`;
}

/** unicodeName writes a character as fmt's %#U verb does: `U+0063 'c'`. */
export function unicodeName(char: string): string {
  const code = char.codePointAt(0)!;
  const hex = code.toString(16).toUpperCase().padStart(4, "0");
  return char === " " || PRINTABLE.test(char) ? `U+${hex} '${char}'` : `U+${hex}`;
}

function escaped(char: string, delimiter: string, keepReplacement = false): string {
  const code = char.codePointAt(0)!;
  if (char === delimiter || char === "\\") return `\\${char}`;
  if (code >= 0x20 && code < 0x7f) return char;
  switch (char) {
    case "\x07":
      return "\\a";
    case "\b":
      return "\\b";
    case "\f":
      return "\\f";
    case "\n":
      return "\\n";
    case "\r":
      return "\\r";
    case "\t":
      return "\\t";
    case "\v":
      return "\\v";
  }
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, "0")}`;
  if (code >= RAW_BYTE + 0x80 && code <= RAW_BYTE + 0xff) return `\\x${(code - RAW_BYTE).toString(16)}`;
  if (code >= 0xd800 && code <= 0xdfff) return "\\ufffd";
  if (code === 0xfffd && !keepReplacement) return "\\ufffd";
  if (PRINTABLE.test(char)) return char;
  if (code < 0x10000) return `\\u${code.toString(16).padStart(4, "0")}`;
  return `\\U${code.toString(16).padStart(8, "0")}`;
}
