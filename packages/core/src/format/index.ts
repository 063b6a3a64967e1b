export { DurationError, formatDuration, parseDuration, parseSignedDuration } from "./duration.ts";
