// Decodes ClickHouse's Native format, in which a result is blocks of columns:
//
//   block  = varint columns, varint rows, column...
//   column = string name, string type, data of all rows
//   data   = 8 bytes per row (UInt64, Float64, DateTime64), 1 per row (Int8, UInt8) ...
//            String: varint length and bytes per row;  Array(T): 8-byte end offset per row, then data of all items
//
// Numbers become typed arrays by copying memory, so a million samples decode in about ten milliseconds; RowBinary
// takes twice as long in the engine alone (bench/read-samples.ts). Maps and LowCardinality are not read: select
// mapKeys, mapValues and toString instead.
import { bug } from "../lib/errors.ts";

/** Column is the data of one column of a block. */
export type Column =
  | { readonly kind: "numbers"; readonly values: Int8Array | Uint8Array | Int32Array | Uint32Array | Float64Array }
  /** words are the low and high halves of 64-bit integers, alternating. */
  | { readonly kind: "words"; readonly words: Uint32Array }
  | { readonly kind: "strings"; readonly values: string[] }
  /** The items of row i are those from ends[i - 1] (0 for the first row) to ends[i]. */
  | { readonly kind: "arrays"; readonly ends: Float64Array; readonly items: Column };

/** Block is a run of rows, column by column in the order of the SELECT. */
export interface Block {
  readonly rows: number;
  readonly columns: readonly Column[];
}

const TWO_32 = 4_294_967_296;
const ascii = new TextDecoder("latin1");

/** decodeNative turns the bytes of a result into blocks. Empty blocks are left out. Chunks may be cut anywhere. */
export async function* decodeNative(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Block, void, undefined> {
  // A block that is cut waits until there are as many bytes as it was seen to need, so that small chunks do not
  // make it be decoded again with each of them.
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  let needed = 0;
  for await (const chunk of chunks) {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes < needed) continue;
    const cursor = new Cursor(waiting.length === 1 ? chunk : Buffer.concat(waiting, waitingBytes));
    waiting = [];
    waitingBytes = 0;
    needed = 0;
    while (cursor.at < cursor.bytes.length) {
      const start = cursor.at;
      const block = readBlock(cursor);
      if (block === undefined) {
        const rest = cursor.bytes.subarray(start);
        waiting.push(rest);
        waitingBytes = rest.length;
        needed = cursor.needed - start;
        break;
      }
      if (block.rows > 0) yield block;
    }
  }
  if (waitingBytes > 0) {
    throw new Error(`the result ends inside a block, ${waitingBytes} bytes after its beginning`);
  }
}

class Cursor {
  readonly bytes: Uint8Array;
  at = 0;
  /** needed is how long the bytes would have to be for what could not be read. */
  needed = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** skip returns where `size` bytes begin, past which it moves; -1 when there are not as many. */
  skip(size: number): number {
    const start = this.at;
    if (start + size > this.bytes.length) {
      this.needed = start + size;
      return -1;
    }
    this.at = start + size;
    return start;
  }

  /** varint reads a number of up to 2^53, or -1 when it is cut. */
  varint(): number {
    let value = 0;
    let factor = 1;
    for (let i = this.at; i < this.bytes.length; i++) {
      const byte = this.bytes[i];
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.at = i + 1;
        return value;
      }
      factor *= 128;
    }
    this.needed = this.bytes.length + 1;
    return -1;
  }

  /** shortText reads a string of ASCII, or undefined when it is cut. */
  shortText(): string | undefined {
    const size = this.varint();
    if (size < 0) return undefined;
    const start = this.skip(size);
    return start < 0 ? undefined : ascii.decode(this.bytes.subarray(start, start + size));
  }

  /** copy takes `size` bytes into memory of their own, which is aligned for any typed array. */
  copy(size: number): ArrayBuffer | undefined {
    const start = this.skip(size);
    if (start < 0) return undefined;
    const { buffer, byteOffset } = this.bytes;
    return buffer.slice(byteOffset + start, byteOffset + start + size) as ArrayBuffer;
  }
}

// readBlock returns undefined when the block goes on in the next chunk.
function readBlock(cursor: Cursor): Block | undefined {
  const count = cursor.varint();
  const rows = count < 0 ? -1 : cursor.varint();
  if (rows < 0) return undefined;
  const columns: Column[] = [];
  for (let i = 0; i < count; i++) {
    const name = cursor.shortText();
    const type = name === undefined ? undefined : cursor.shortText();
    if (type === undefined) return undefined;
    const column = readColumn(cursor, type, rows);
    if (column === undefined) return undefined;
    columns.push(column);
  }
  return { rows, columns };
}

function readColumn(cursor: Cursor, type: string, rows: number): Column | undefined {
  if (type === "String") return readStrings(cursor, rows);
  if (type === "UInt64" || type === "Int64" || type.startsWith("DateTime64")) {
    const words = cursor.copy(rows * 8);
    return words && { kind: "words", words: new Uint32Array(words) };
  }
  if (type.startsWith("Array(")) {
    const offsets = cursor.copy(rows * 8);
    if (!offsets) return undefined;
    const ends = numbersOf(new Uint32Array(offsets));
    const items = readColumn(cursor, type.slice(6, -1), rows === 0 ? 0 : ends[rows - 1]);
    return items && { kind: "arrays", ends, items };
  }
  const size = SIZES[type];
  if (size === undefined) throw bug(`column type ${type} is not decoded`);
  const data = cursor.copy(rows * size);
  if (!data) return undefined;
  return { kind: "numbers", values: numbers(type, data) };
}

const SIZES: Readonly<Record<string, number>> = {
  Float64: 8,
  Int32: 4,
  UInt32: 4,
  Int8: 1,
  UInt8: 1,
};

function numbers(type: string, data: ArrayBuffer): Float64Array | Int32Array | Uint32Array | Int8Array | Uint8Array {
  switch (type) {
    case "Float64":
      return new Float64Array(data);
    case "Int32":
      return new Int32Array(data);
    case "UInt32":
      return new Uint32Array(data);
    case "Int8":
      return new Int8Array(data);
    default:
      return new Uint8Array(data);
  }
}

function readStrings(cursor: Cursor, rows: number): Column | undefined {
  const values: string[] = [];
  const { bytes } = cursor;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < rows; i++) {
    const size = cursor.varint();
    const start = size < 0 ? -1 : cursor.skip(size);
    if (start < 0) return undefined;
    values.push(text.toString("utf8", start, start + size));
  }
  return { kind: "strings", values };
}

/** numbersOf turns 64-bit integers (low and high halves, two's complement) into numbers, exact within 2^53. */
export function numbersOf(words: Uint32Array): Float64Array {
  const signed = new Int32Array(words.buffer, words.byteOffset, words.length);
  const out = new Float64Array(words.length >> 1);
  for (let i = 0; i < out.length; i++) out[i] = words[2 * i] + signed[2 * i + 1] * TWO_32;
  return out;
}

/** wordsColumn, numbersColumn, stringsColumn and arraysColumn say what a column must be; anything else is our mistake. */
export function wordsColumn(block: Block, index: number): Uint32Array {
  const column = block.columns[index];
  if (column?.kind !== "words") throw bug(`column ${index} is not of 64-bit integers`);
  return column.words;
}

export function numbersColumn(block: Block, index: number): Extract<Column, { kind: "numbers" }>["values"] {
  const column = block.columns[index];
  if (column?.kind !== "numbers") throw bug(`column ${index} is not of numbers`);
  return column.values;
}

export function floatsColumn(block: Block, index: number): Float64Array {
  const values = numbersColumn(block, index);
  if (!(values instanceof Float64Array)) throw bug(`column ${index} is not of floats`);
  return values;
}

export function stringsColumn(block: Block, index: number): string[] {
  const column = block.columns[index];
  if (column?.kind !== "strings") throw bug(`column ${index} is not of strings`);
  return column.values;
}

/** NumberArrays are the rows of an Array column of numbers. */
export interface NumberArrays {
  readonly ends: Float64Array;
  readonly items: Extract<Column, { kind: "numbers" }>["values"];
}

export function numberArraysColumn(block: Block, index: number): NumberArrays {
  const column = block.columns[index];
  if (column?.kind !== "arrays" || column.items.kind !== "numbers")
    throw bug(`column ${index} is not of number arrays`);
  return { ends: column.ends, items: column.items.values };
}

/** StringArrays are the rows of an Array(String) column. */
export interface StringArrays {
  readonly ends: Float64Array;
  readonly items: string[];
}

export function stringArraysColumn(block: Block, index: number): StringArrays {
  const column = block.columns[index];
  if (column?.kind !== "arrays" || column.items.kind !== "strings")
    throw bug(`column ${index} is not of string arrays`);
  return { ends: column.ends, items: column.items.values };
}
