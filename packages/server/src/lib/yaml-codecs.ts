// The codecs that configuration types are built of.
import { DurationError, formatDuration, parseDuration } from "@belfry/core/format";
import { formatSize, parseSize, SizeError } from "./yaml-size.ts";
import {
  asMapping,
  type Codec,
  ConfigError,
  type Failed,
  FAILED,
  isMergeKey,
  keyText,
  mergeTargets,
  type OutlineKey,
  quoteText,
  type SectionOutline,
  type YamlDecoder,
} from "./yaml-decode.ts";
import type { YamlMapping, YamlNode } from "./yaml-node.ts";
import { type YamlEntry, yamlMapping, yamlPlain, yamlSequence, yamlString, type YamlValue } from "./yaml-encode.ts";

/** stringOf makes a codec for text under upstream's name of the type. */
export function stringOf(goType: string): Codec<string> {
  return {
    goType,
    outline: "string",
    zero: () => "",
    isZero: (value) => value === "",
    read(decoder, node) {
      if (node.kind !== "scalar") return decoder.mismatch(node, goType);
      const { tag, value } = decoder.resolve(node);
      if (value === null) return "";
      return tag === "!!binary" ? (value as string) : node.value;
    },
    print: yamlString,
  };
}

/** string is any scalar's text: numbers and booleans are taken as they are written. */
export const string: Codec<string> = stringOf("string");

/** secret is text that is printed as `<secret>`. */
export const secret: Codec<string> = {
  ...stringOf("config.plain"),
  outline: "secret",
  print: (value) => (value === "" ? yamlPlain("null") : yamlString("<secret>")),
};

/** bool reads YAML 1.1 booleans: true, yes, on ... */
export const bool: Codec<boolean> = {
  goType: "bool",
  outline: "boolean",
  zero: () => false,
  isZero: (value) => !value,
  read(decoder, node) {
    if (node.kind !== "scalar") return decoder.mismatch(node, "bool");
    const { value } = decoder.resolve(node);
    if (value === null) return false;
    return typeof value === "boolean" ? value : decoder.mismatch(node, "bool");
  },
  print: (value) => yamlPlain(String(value)),
};

function integer(goType: string, min: bigint, max: bigint): Codec<bigint> {
  return {
    goType,
    outline: "integer",
    zero: () => 0n,
    isZero: (value) => value === 0n,
    read(decoder, node) {
      if (node.kind !== "scalar") return decoder.mismatch(node, goType);
      const { value } = decoder.resolve(node);
      if (value === null) return 0n;
      if (typeof value !== "number" && typeof value !== "bigint") return decoder.mismatch(node, goType);
      // A float is cut, as Go's conversion does.
      if (typeof value === "number" && !Number.isFinite(value)) return decoder.mismatch(node, goType);
      const whole = typeof value === "number" ? BigInt(Math.trunc(value)) : value;
      return whole < min || whole > max ? decoder.mismatch(node, goType) : whole;
    },
    print: (value) => yamlPlain(String(value)),
  };
}

/** uint64 is exact. */
export const uint64: Codec<bigint> = integer("uint64", 0n, (1n << 64n) - 1n);

/** int is a Go int; beyond 2^53 it loses precision, which no key of the configuration needs. */
export const int: Codec<number> = asNumber(integer("int", -(1n << 63n), (1n << 63n) - 1n));

/** uint is a Go uint. */
export const uint: Codec<number> = asNumber(integer("uint", 0n, (1n << 64n) - 1n));

/** int64 is a Go int64. */
export const int64: Codec<number> = asNumber(integer("int64", -(1n << 63n), (1n << 63n) - 1n));

function asNumber(codec: Codec<bigint>): Codec<number> {
  return {
    goType: codec.goType,
    outline: codec.outline,
    zero: () => 0,
    isZero: (value) => value === 0,
    read(decoder, node) {
      const value = codec.read(decoder, node, 0n);
      return value === FAILED ? FAILED : Number(value);
    },
    print: (value) => yamlPlain(String(value)),
  };
}

/** float64 reads integers too. */
export const float64: Codec<number> = {
  goType: "float64",
  outline: "number",
  zero: () => 0,
  isZero: (value) => value === 0,
  read(decoder, node) {
    if (node.kind !== "scalar") return decoder.mismatch(node, "float64");
    const { value } = decoder.resolve(node);
    if (value === null) return 0;
    return typeof value === "number" || typeof value === "bigint" ? Number(value) : decoder.mismatch(node, "float64");
  },
  print: (value) => yamlPlain(formatFloat(value)),
};

function formatFloat(value: number): string {
  if (Number.isNaN(value)) return ".nan";
  if (!Number.isFinite(value)) return value > 0 ? ".inf" : "-.inf";
  return String(value).replace(/e([+-])(\d)$/, "e$10$2");
}

/** parsed makes a codec of text that is read by `parse`; what it throws ends the reading. */
export function parsed<T>(options: {
  outline: string;
  zero: () => T;
  parse: (text: string) => T;
  format: (value: T) => string;
  isZero?: (value: T) => boolean;
}): Codec<T> {
  const { zero, parse, format } = options;
  return {
    goType: "string",
    outline: options.outline,
    zero,
    isZero: options.isZero ?? ((value) => value === zero()),
    read(decoder, node) {
      const text = string.read(decoder, node, "");
      return text === FAILED ? FAILED : parse(text);
    },
    print: (value) => yamlString(format(value)),
  };
}

/** duration is milliseconds, written 1h30m. */
export const duration: Codec<number> = parsed({
  outline: "duration",
  zero: () => 0,
  parse(text) {
    try {
      return parseDuration(text);
    } catch (error) {
      throw error instanceof DurationError ? new ConfigError(error.message) : error;
    }
  },
  format: formatDuration,
});

/** size is bytes, written 512MB; a unit is required. */
export const size: Codec<number> = parsed({
  outline: "size",
  zero: () => 0,
  parse(text) {
    try {
      return parseSize(text);
    } catch (error) {
      throw error instanceof SizeError ? new ConfigError(error.message) : error;
    }
  },
  format: formatSize,
});

/** oneOf is text that must be one of `values`, or pass unchecked when `values` is undefined: the check comes later. */
export function enumeration<T extends string>(goType: string, check: (text: string) => T): Codec<T> {
  const text = stringOf(goType);
  return {
    goType,
    outline: "string",
    zero: () => "" as T,
    isZero: (value) => value === "",
    read(decoder, node, current) {
      const value = text.read(decoder, node, current);
      return value === FAILED ? FAILED : check(value);
    },
    print: yamlString,
  };
}

/** unchecked is text whose type is narrower than what is checked here; a later check makes it true. */
export function unchecked<T extends string>(goType: string): Codec<T> {
  return stringOf(goType) as unknown as Codec<T>;
}

/** list reads a sequence; an item that cannot be read is left out after its note. */
export function list<T>(item: Codec<T>, options: { goType?: string; flow?: boolean } = {}): Codec<readonly T[]> {
  const goType = options.goType ?? `[]${item.goType}`;
  return {
    goType,
    outline: { list: item.outline },
    zero: () => [],
    isZero: (value) => value.length === 0,
    read(decoder, node) {
      if (node.kind !== "sequence") return decoder.mismatch(node, goType);
      const out: T[] = [];
      node.items.forEach((child, i) => {
        const value = decoder.within(i, () => decoder.decode(item, child, item.zero()));
        if (value !== FAILED) out.push(value);
      });
      return out;
    },
    print: (value) =>
      yamlSequence(
        value.map((element) => item.print(element)),
        options.flow ?? false,
      ),
  };
}

/** maybe is a pointer: null and absent are undefined. */
export function maybe<T>(codec: Codec<T>): Codec<T | undefined> {
  return {
    goType: codec.goType,
    outline: codec.outline,
    zero: () => undefined,
    isZero: (value) => value === undefined,
    read: (decoder, node, current) => codec.read(decoder, node, current ?? codec.zero()),
    print: (value) => (value === undefined ? yamlPlain("null") : codec.print(value)),
  };
}

/**
 * pointers is a list of pointers. An empty item (`-`) becomes a hole that `rejectHoles` must find before anyone reads
 * the list.
 */
export function pointers<T extends object>(item: Codec<T>, goType = `[]*${item.goType}`): Codec<readonly T[]> {
  return list(maybe(item), { goType }) as Codec<readonly T[]>;
}

/** rejectHoles throws `message` when an item of a list of pointers was empty. */
export function rejectHoles(items: readonly (object | undefined)[], message: string): void {
  if (items.includes(undefined)) throw new ConfigError(message);
}

/** dictionary reads a mapping with keys of any name. */
export function dictionary<T>(
  value: Codec<T>,
  options: { goType?: string; key?: (text: string) => string } = {},
): Codec<ReadonlyMap<string, T>> {
  const goType = options.goType ?? `map[string]${value.goType}`;
  const read = (decoder: YamlDecoder, node: YamlMapping, into: Map<string, T>): void => {
    const seen = new Set<string>();
    for (const [keyNode, valueNode] of node.entries) {
      if (isMergeKey(keyNode)) {
        for (const target of mergeTargets(valueNode)) {
          read(decoder, (target.kind === "alias" ? target.target : target) as YamlMapping, into);
        }
        continue;
      }
      const text = keyText(decoder, keyNode);
      if (text === undefined) continue;
      const key = options.key === undefined ? text : options.key(text);
      const element = decoder.within(key, () => decoder.decode(value, valueNode, value.zero()));
      if (element === FAILED) continue;
      if (seen.has(key) || into.has(key)) {
        decoder.note(valueNode, `key ${quoteText(key)} already set in map`);
        continue;
      }
      seen.add(key);
      into.set(key, element);
    }
  };
  return {
    goType,
    outline: { map: value.outline },
    zero: () => new Map(),
    isZero: (map) => map.size === 0,
    read(decoder, node) {
      const mapping = asMapping(decoder, node, goType);
      if (mapping === undefined) return FAILED;
      const out = new Map<string, T>();
      read(decoder, mapping, out);
      return out;
    },
    print: (map) =>
      yamlMapping(
        [...map].toSorted(([a], [b]) => compareNatural(a, b)).map(([key, element]) => [key, value.print(element)]),
      ),
  };
}

// Keys are printed sorted as go-yaml does: runs of digits by their number, letters before other characters.
function compareNatural(a: string, b: string): number {
  const x = [...a];
  const y = [...b];
  let digits = false;
  for (let i = 0; i < x.length && i < y.length; i++) {
    if (x[i] === y[i]) {
      digits = isDigit(x[i]!);
      continue;
    }
    const letterX = /\p{L}/u.test(x[i]!);
    const letterY = /\p{L}/u.test(y[i]!);
    if (letterX && letterY) return x[i]! < y[i]! ? -1 : 1;
    if (letterX || letterY) {
      if (digits) return letterX ? -1 : 1;
      return letterY ? -1 : 1;
    }
    const runX = /^\d+/.exec(x.slice(i).join(""))?.[0] ?? "";
    const runY = /^\d+/.exec(y.slice(i).join(""))?.[0] ?? "";
    if (runX !== "" && runY !== "" && Number(runX) !== Number(runY)) return Number(runX) - Number(runY);
    if (runX.length !== runY.length) return runX.length - runY.length;
    return x[i]! < y[i]! ? -1 : 1;
  }
  return x.length - y.length;
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9";
}

/** Field is one key of a struct. */
export interface Field<T> extends OutlineKey {
  /** keep prints the key even when the value is zero. */
  keep: boolean;
  isZero(object: T): boolean;
  read(decoder: YamlDecoder, node: YamlNode, object: T): boolean;
  print(object: T): YamlValue;
}

/** FieldOptions: `keep` prints zero values too. */
export interface FieldOptions {
  doc?: string;
  keep?: boolean;
}

/** field binds a key to a property. */
export function field<T, K extends keyof T>(
  key: string,
  property: K,
  codec: Codec<T[K]>,
  options: FieldOptions = {},
): Field<T> {
  return {
    key,
    doc: options.doc ?? "",
    outline: codec.outline,
    keep: options.keep ?? false,
    isZero: (object) => codec.isZero(object[property]),
    read(decoder, node, object) {
      const value = decoder.decode(codec, node, object[property]);
      if (value === FAILED) return false;
      object[property] = value;
      return true;
    },
    print: (object) => codec.print(object[property]),
  };
}

/** inline makes the keys of a part stand among those of the whole. */
export function inline<T, K extends keyof T>(property: K, part: Struct<T[K]>): Field<T>[] {
  return part.fields.map((own) => ({
    ...own,
    part: part.outline.section,
    isZero: (object: T) => own.isZero(object[property]),
    read: (decoder: YamlDecoder, node: YamlNode, object: T) => own.read(decoder, node, object[property]),
    print: (object: T) => own.print(object[property]),
  }));
}

/** Struct is a codec of named keys. */
export interface Struct<T> extends Codec<T> {
  readonly fields: readonly Field<T>[];
  readonly outline: SectionOutline;
}

/** StructOptions describe a struct. */
export interface StructOptions<T> {
  goType: string;
  /** zero is a fresh object with every key unset. */
  zero: () => T;
  fields: readonly Field<T>[];
  /** defaults, when given, is what reading starts from; without it reading goes over what the place holds. */
  defaults?: () => T;
  /** check runs after the keys were read without a note; it may fill in values. What it throws ends the reading. */
  check?: (value: T, decoder: YamlDecoder) => void;
}

/** struct reads a mapping with known keys; any other key is noted. */
export function struct<T extends object>(options: StructOptions<T>): Struct<T> {
  const { goType, zero, fields, defaults, check } = options;
  const byKey = new Map(fields.map((f) => [f.key, f]));
  const readInto = (decoder: YamlDecoder, mapping: YamlMapping, object: T): void => {
    const done = new Set<string>();
    for (const [keyNode, valueNode] of mapping.entries) {
      if (isMergeKey(keyNode)) {
        for (const target of mergeTargets(valueNode)) {
          readInto(decoder, (target.kind === "alias" ? target.target : target) as YamlMapping, object);
        }
        continue;
      }
      const key = keyText(decoder, keyNode);
      if (key === undefined) continue;
      const known = byKey.get(key);
      if (known === undefined) {
        decoder.within(key, () => decoder.note(keyNode, `field ${key} not found in type ${goType}`));
      } else if (done.has(key)) {
        decoder.within(key, () => decoder.note(keyNode, `field ${key} already set in type ${goType}`));
      } else {
        done.add(key);
        decoder.within(key, () => known.read(decoder, valueNode, object));
      }
    }
  };
  return {
    goType,
    outline: { section: fields, keys: fields },
    fields,
    zero,
    isZero: (value) => fields.every((f) => f.isZero(value)),
    read(decoder, node, current): T | Failed {
      const object = defaults === undefined ? { ...current } : defaults();
      const mapping = asMapping(decoder, node, goType);
      if (mapping === undefined) return FAILED;
      const good = decoder.section(() => readInto(decoder, mapping, object));
      if (!good && (defaults !== undefined || check !== undefined)) return FAILED;
      check?.(object, decoder);
      return object;
    },
    print(value) {
      const entries: YamlEntry[] = [];
      for (const f of fields) if (f.keep || !f.isZero(value)) entries.push([f.key, f.print(value)]);
      return yamlMapping(entries);
    },
  };
}
