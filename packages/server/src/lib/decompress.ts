// Bodies that arrive compressed. A small body can unfold to gigabytes, so every call names the most bytes that may
// come out, and whatever passes it is an error before it is memory.
import { promisify } from "node:util";
import {
  brotliDecompress,
  brotliDecompressSync,
  gunzip,
  gunzipSync,
  inflate,
  inflateRaw,
  inflateRawSync,
  inflateSync,
  zstdDecompress,
  zstdDecompressSync,
} from "node:zlib";
import { AppError } from "./errors.ts";

/** DecompressError says that compressed bytes are damaged or of an unknown encoding. */
export class DecompressError extends AppError {
  constructor(message: string, cause?: unknown) {
    super("BAD_ENCODING", message, { cause });
  }
}

/** SizeLimitError says that a body is, or would unfold to, more than the allowed number of bytes. */
export class SizeLimitError extends AppError {
  readonly limitBytes: number;
  constructor(limitBytes: number) {
    super("BODY_TOO_LARGE", `the body exceeds ${limitBytes} bytes`);
    this.limitBytes = limitBytes;
  }
}

// Below this much input one synchronous call (a millisecond or two) is cheaper than the thread pool.
const SYNC_BYTES = 128 * 1024;

const gunzipAsync = promisify(gunzip);
const inflateAsync = promisify(inflate);
const inflateRawAsync = promisify(inflateRaw);
const zstdAsync = promisify(zstdDecompress);
const brotliAsync = promisify(brotliDecompress);

/**
 * decompress undoes a Content-Encoding ("gzip", "x-gzip", "deflate", "zstd", "br", "identity" or ""; a list is undone
 * from its end). `expectedBytes` sizes the output buffer. Rejects with SizeLimitError past `limitBytes` of output
 * and with DecompressError for damaged input.
 */
export async function decompress(
  bytes: Uint8Array,
  encoding: string,
  limitBytes: number,
  expectedBytes = 0,
): Promise<Uint8Array> {
  const encodings = encoding
    .toLowerCase()
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "" && one !== "identity");
  if (encodings.length > MAX_ENCODINGS) throw new DecompressError(`more than ${MAX_ENCODINGS} content encodings`);
  let out = bytes;
  for (const one of encodings.reverse()) out = await undo(out, one, limitBytes, expectedBytes);
  if (out.length > limitBytes) throw new SizeLimitError(limitBytes);
  return out;
}

const MAX_ENCODINGS = 3;

async function undo(
  bytes: Uint8Array,
  encoding: string,
  limitBytes: number,
  expectedBytes: number,
): Promise<Uint8Array> {
  const options = {
    maxOutputLength: Math.max(1, limitBytes),
    // One chunk for the whole body where its size is known, or many small ones are glued together.
    chunkSize: Math.min(Math.max(16 * 1024, expectedBytes + 1024), 16 * 1024 * 1024),
  };
  const sync = bytes.length <= SYNC_BYTES;
  try {
    switch (encoding) {
      case "gzip":
      case "x-gzip":
        return sync ? gunzipSync(bytes, options) : await gunzipAsync(bytes, options);
      case "deflate":
        // The name means the zlib format, but some servers send the bare one.
        if (bytes.length > 1 && (bytes[0] & 0x0f) === 8 && ((bytes[0] << 8) | bytes[1]) % 31 === 0) {
          return sync ? inflateSync(bytes, options) : await inflateAsync(bytes, options);
        }
        return sync ? inflateRawSync(bytes, options) : await inflateRawAsync(bytes, options);
      case "zstd":
        return sync ? zstdDecompressSync(bytes, options) : await zstdAsync(bytes, options);
      case "br":
        return sync ? brotliDecompressSync(bytes, options) : await brotliAsync(bytes, options);
      default:
        throw new DecompressError(`unknown content encoding ${JSON.stringify(encoding)}`);
    }
  } catch (error) {
    if (error instanceof AppError) throw error;
    if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE") throw new SizeLimitError(limitBytes);
    throw new DecompressError(`${encoding}: ${(error as Error).message}`, error);
  }
}
