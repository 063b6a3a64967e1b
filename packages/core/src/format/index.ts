export { DurationError, formatDuration, parseDuration, parseSignedDuration } from "./duration.ts";
export { formatFloat, formatFloatShort } from "./float.ts";
export { formatSize, parseSize, SizeError } from "./size.ts";
