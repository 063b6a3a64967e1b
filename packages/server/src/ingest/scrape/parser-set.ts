// The parsers of one target. A target answers in one format; when it changes, the parser and cache of the former
// one go with the next sweep.
import {
  chooseFormat,
  type ExpositionFormat,
  type ExpositionParser,
  NhcbParser,
  OpenMetricsParser,
  type ParserOptions,
  ProtobufParser,
  TextParser,
} from "../exposition/index.ts";
import type { SeriesCache, SeriesTable } from "./series-cache.ts";

/** ParserSettings are the settings of a scrape pool that decide how a body is read. */
export interface ParserSettings extends ParserOptions {
  /** fallbackMediaType is used where a target names no known content type; "" refuses such bodies. */
  fallbackMediaType: string;
}

/** BodyParser is a parser with the cache that belongs to it. */
export interface BodyParser {
  parser: ExpositionParser;
  table: SeriesTable;
  /** warning says why the format is not the one the target named, "" otherwise. */
  warning: string;
}

/** ParserSet hands out the parser for a content type. */
export class ParserSet {
  private readonly cache: SeriesCache;
  private readonly settings: ParserSettings;
  private last: { format: ExpositionFormat; parser: ExpositionParser; table: SeriesTable } | undefined;

  constructor(cache: SeriesCache, settings: ParserSettings) {
    this.cache = cache;
    this.settings = settings;
  }

  /** parserFor throws ExpositionError for a content type that cannot be read. */
  parserFor(contentType: string): BodyParser {
    const { format, warning } = chooseFormat(contentType, this.settings.fallbackMediaType);
    const table = this.cache.table(format);
    if (this.last?.format !== format || this.last.table !== table) {
      this.last = { format, parser: this.create(format, table), table };
    }
    return { parser: this.last.parser, table, warning };
  }

  private create(format: ExpositionFormat, table: SeriesTable): ExpositionParser {
    switch (format) {
      case "text":
        return this.converting(new TextParser(table.lines, this.settings));
      case "openmetrics":
        return this.converting(new OpenMetricsParser(table.lines, this.settings));
      case "protobuf":
        return new ProtobufParser(table.lines, this.settings);
    }
  }

  private converting(parser: TextParser | OpenMetricsParser): ExpositionParser {
    return this.settings.convertClassicHistograms === true ? new NhcbParser(parser, this.settings) : parser;
  }
}
