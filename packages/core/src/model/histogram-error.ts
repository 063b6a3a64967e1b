/** HistogramErrorCode names what is wrong with a histogram, or with two of them together. */
export type HistogramErrorCode =
  | "incompatible-schemas"
  | "invalid-schema"
  | "unknown-schema"
  | "layout"
  | "negative-count"
  | "count-mismatch"
  | "custom-buckets"
  | "conversion";

/** HistogramError says why a histogram cannot be accepted or an operation cannot be done; messages are upstream's. */
export class HistogramError extends Error {
  readonly code: HistogramErrorCode;
  constructor(code: HistogramErrorCode, message: string) {
    super(message);
    this.name = "HistogramError";
    this.code = code;
  }
}
