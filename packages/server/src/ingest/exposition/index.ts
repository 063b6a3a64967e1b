export { ExpositionError } from "./exposition-error.ts";
export { LineCache, LineKind } from "./line-cache.ts";
export { OpenMetricsParser } from "./openmetrics-parser.ts";
export { Entry, type ExpositionParser, type ParserOptions } from "./parser.ts";
export { TextParser } from "./text-parser.ts";
export { chooseFormat, type ExpositionFormat, type FormatChoice } from "./content-type.ts";
export { ProtobufParser } from "./protobuf-parser.ts";
export { readStrictOpenMetrics, type StrictFamily, type StrictSample } from "./openmetrics-strict.ts";
export { readEntries } from "./read-entries.ts";
