// The receiving end of remote write 1.0 and 2.0 (https://prometheus.io/docs/specs/prw/), free of any HTTP framework.
//
//   body -> decompress -> decode straight into an Appender -> commit -> 204 once it is durable
//
// Answers: 204 when everything was written; 400 when the request is malformed (nothing is written) or some of it is
// refused (the rest is written); 413 and 415 for bodies we do not read; 5xx when the sender should try again (nothing is
// written). Version 2.0 answers say in headers how much was written. Bodies are upstream's error texts.
import { zstdDecompressSync } from "node:zlib";
import { systemClock, type Clock } from "../../lib/clock.ts";
import { OverloadedError } from "../../lib/errors.ts";
import type { Logger } from "../../lib/log.ts";
import type { MetricsRegistry } from "../../lib/metrics-registry.ts";
import { decodeSnappy, SnappyError, SnappyTooLargeError } from "../../lib/snappy.ts";
import type { Appendable } from "../../metrics/appender.ts";
import { writeV1 } from "./request-v1.ts";
import { RequestV2, SymbolNumbers } from "./request-v2.ts";
import { SeriesCache } from "./series-cache.ts";
import { WireError, WireReader } from "./wire-reader.ts";
import { WriteBatch } from "./write-batch.ts";

/** RemoteWriteLimits bounds what one receiver takes. */
export interface RemoteWriteLimits {
  /** maxBodyBytes bounds the body as it arrives; the HTTP server should refuse larger ones before reading them. */
  maxBodyBytes: number;
  /** maxDecodedBytes bounds the body after decompression. */
  maxDecodedBytes: number;
  /** maxPending bounds the requests that wait to be durable. */
  maxPending: number;
  /** cacheBytes bounds the memory of remembered series. */
  cacheBytes: number;
}

/** DEFAULT_REMOTE_WRITE_LIMITS fit senders with their default settings many times over: Prometheus sends 2,000 samples a request. */
export const DEFAULT_REMOTE_WRITE_LIMITS: RemoteWriteLimits = {
  maxBodyBytes: 32 * 1024 * 1024,
  // Decoding blocks the event loop for about 3 ms per MB.
  maxDecodedBytes: 64 * 1024 * 1024,
  // A sender keeps up to 50 requests in flight by default.
  maxPending: 1000,
  // About 200,000 series of ten labels.
  cacheBytes: 48 * 1024 * 1024,
};

/** RemoteWriteOptions is what a receiver needs. */
export interface RemoteWriteOptions {
  appendable: Appendable;
  registry: MetricsRegistry;
  log: Logger;
  limits?: Partial<RemoteWriteLimits>;
  clock?: Clock;
  /** typeAndUnitLabels is the feature `type-and-unit-labels`: `__type__` and `__unit__` from 2.0 metadata. */
  typeAndUnitLabels?: boolean;
}

/** RemoteWriteRequest is what the HTTP layer passes on. `headers` have lower-case names. */
export interface RemoteWriteRequest {
  contentType: string | undefined;
  contentEncoding: string | undefined;
  body: Uint8Array;
  headers?: Readonly<Record<string, string | string[] | undefined>>;
}

/** RemoteWriteResponse is what the HTTP layer answers with. */
export interface RemoteWriteResponse {
  status: number;
  headers: Record<string, string>;
  body?: string;
}

/** RemoteWriteReceiver handles requests. */
export interface RemoteWriteReceiver {
  /** handle resolves when the request is durable, or with the error to answer. It does not reject. */
  handle(request: RemoteWriteRequest): Promise<RemoteWriteResponse>;
}

const MEDIA_TYPE = "application/x-protobuf";
const V1 = "prometheus.WriteRequest";
const V2 = "io.prometheus.write.v2.Request";
type Message = typeof V1 | typeof V2;

// Upstream's: samples from further ahead are a clock gone wrong.
const MAX_AHEAD_MS = 10 * 60 * 1000;

// Bodies up to this size are decoded into one buffer that is used again and again; larger ones are rare.
const REUSED_BYTES = 1024 * 1024;

// Refusals are logged this often at most; a sender that is wrong is wrong with every request.
const LOG_INTERVAL_MS = 10_000;

const NOTHING = new Uint8Array(0);

/** createRemoteWriteReceiver makes a receiver that writes to `appendable`. */
export function createRemoteWriteReceiver(options: RemoteWriteOptions): RemoteWriteReceiver {
  return new Receiver(options);
}

/** HttpError is an answer other than 204. */
class HttpError extends Error {
  readonly status: number;
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, message: string, retryAfterSeconds?: number) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

class Receiver implements RemoteWriteReceiver {
  private readonly appendable: Appendable;
  private readonly log: Logger;
  private readonly clock: Clock;
  private readonly limits: RemoteWriteLimits;
  private readonly metrics: ReturnType<typeof createMetrics>;
  private readonly seriesV1: SeriesCache;
  private readonly seriesV2: SeriesCache;
  private readonly requestV2: RequestV2;
  private readonly reader = new WireReader();
  private readonly decoded = new Uint8Array(REUSED_BYTES);
  private pending = 0;
  private loggedAt = -Infinity;

  constructor(options: RemoteWriteOptions) {
    this.appendable = options.appendable;
    this.log = options.log;
    this.clock = options.clock ?? systemClock;
    this.limits = { ...DEFAULT_REMOTE_WRITE_LIMITS, ...options.limits };
    this.seriesV1 = new SeriesCache(this.limits.cacheBytes / 2);
    this.seriesV2 = new SeriesCache(this.limits.cacheBytes / 4);
    const symbols = new SymbolNumbers(this.limits.cacheBytes / 4);
    this.requestV2 = new RequestV2(this.seriesV2, symbols, { typeAndUnitLabels: options.typeAndUnitLabels ?? false });
    this.metrics = createMetrics(options.registry);
    options.registry.gaugeFunc(
      "belfry_remote_write_cached_series",
      "Series whose encoded labels are remembered.",
      () => this.seriesV1.size + this.seriesV2.size,
    );
    options.registry.gaugeFunc(
      "belfry_remote_write_pending_requests",
      "Requests that wait to be durable.",
      () => this.pending,
    );
  }

  async handle(request: RemoteWriteRequest): Promise<RemoteWriteResponse> {
    const start = this.clock.monotonicMs();
    let message: Message | undefined;
    let response: RemoteWriteResponse;
    try {
      message = parseMessage(request.contentType ?? "");
      response = await this.write(message, request);
    } catch (error) {
      response = this.failure(error);
      // Required in every answer of 2.0: nothing was written.
      if (message === V2) Object.assign(response.headers, writtenHeaders(undefined));
    }
    const version = message === undefined ? "unknown" : message === V1 ? "1.0" : "2.0";
    this.metrics.requests.with(version, String(response.status)).inc();
    this.metrics.seconds.observe((this.clock.monotonicMs() - start) / 1000);
    return response;
  }

  private async write(message: Message, request: RemoteWriteRequest): Promise<RemoteWriteResponse> {
    if (this.pending >= this.limits.maxPending) {
      throw new HttpError(503, `too many requests wait to be written (${this.pending})`, 1);
    }
    const body = this.decompress(request);
    const appender = this.appendable.appender({ allowOutOfOrder: true });
    const batch = new WriteBatch(appender, this.clock.now() + MAX_AHEAD_MS);
    try {
      this.reader.reset(body);
      if (message === V2) this.requestV2.write(this.reader, batch);
      else {
        this.seriesV1.begin();
        writeV1(this.reader, this.seriesV1, batch);
      }
    } catch (error) {
      appender.rollback();
      this.seriesV2.forgetMetadata();
      throw error;
    } finally {
      // Or a large body would be kept until the next request.
      this.reader.reset(NOTHING);
    }
    this.pending++;
    try {
      await appender.commit();
    } catch (error) {
      this.seriesV2.forgetMetadata();
      throw error;
    } finally {
      this.pending--;
    }
    return this.written(message, batch);
  }

  private written(message: Message, batch: WriteBatch): RemoteWriteResponse {
    const version = message === V1 ? "1.0" : "2.0";
    this.metrics.samples.with(version).inc(batch.samples);
    this.metrics.histograms.with(version).inc(batch.histograms);
    this.metrics.exemplars.with(version).inc(batch.exemplars);
    for (const [reason, count] of batch.refused) this.metrics.refused.with(reason).inc(count);
    const headers = message === V2 ? writtenHeaders(batch) : {};
    if (batch.error === "") return { status: 204, headers };
    this.logRefusal("remote write request was refused in part", batch.error);
    return { status: 400, headers: { ...headers, ...TEXT }, body: `${batch.error}\n` };
  }

  private failure(error: unknown): RemoteWriteResponse {
    const headers: Record<string, string> = { ...TEXT };
    let status = 500;
    const text = error instanceof Error ? error.message : String(error);
    if (error instanceof HttpError) {
      status = error.status;
      if (error.retryAfterSeconds !== undefined) headers["Retry-After"] = String(error.retryAfterSeconds);
    } else if (error instanceof OverloadedError) {
      status = 503;
      headers["Retry-After"] = String(error.retryAfterSeconds);
    } else if (error instanceof WireError) status = 400;
    if (status >= 500) this.log.error("remote write failed", { err: error });
    else this.logRefusal("remote write request was refused", text);
    return { status, headers, body: `${text}\n` };
  }

  private logRefusal(message: string, text: string): void {
    const now = this.clock.monotonicMs();
    if (now - this.loggedAt < LOG_INTERVAL_MS) return;
    this.loggedAt = now;
    this.log.warn(message, { err: text });
  }

  private decompress({ contentEncoding = "", body }: RemoteWriteRequest): Uint8Array {
    const { maxBodyBytes, maxDecodedBytes } = this.limits;
    if (body.length > maxBodyBytes) {
      throw new HttpError(413, `body of ${body.length} bytes is larger than the limit of ${maxBodyBytes}`);
    }
    const encoding = contentEncoding.trim().toLowerCase();
    // Early clients send Snappy without saying so.
    if (encoding === "" || encoding === "snappy") {
      try {
        // The result is used up before anything else can be decoded: appending does not wait.
        return decodeSnappy(body, maxDecodedBytes, this.decoded);
      } catch (error) {
        if (error instanceof SnappyTooLargeError) throw new HttpError(413, error.message);
        if (error instanceof SnappyError) throw new HttpError(400, error.message);
        throw error;
      }
    }
    if (encoding === "zstd") {
      try {
        return zstdDecompressSync(body, { maxOutputLength: maxDecodedBytes });
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const tooLarge = code === "ERR_BUFFER_TOO_LARGE";
        throw new HttpError(
          tooLarge ? 413 : 400,
          tooLarge ? `zstd: decoded body is larger than the limit of ${maxDecodedBytes}` : `zstd: ${message}`,
        );
      }
    }
    throw new HttpError(
      415,
      `${contentEncoding} encoding (compression) is not accepted by this server; only snappy, zstd are acceptable`,
    );
  }
}

const TEXT: Readonly<Record<string, string>> = {
  "Content-Type": "text/plain; charset=utf-8",
  "X-Content-Type-Options": "nosniff",
};

function writtenHeaders(batch: WriteBatch | undefined): Record<string, string> {
  return {
    "X-Prometheus-Remote-Write-Samples-Written": String(batch?.samples ?? 0),
    "X-Prometheus-Remote-Write-Histograms-Written": String(batch?.histograms ?? 0),
    "X-Prometheus-Remote-Write-Exemplars-Written": String(batch?.exemplars ?? 0),
  };
}

// Which message a Content-Type announces; version 1.0 where it says nothing of it.
function parseMessage(contentType: string): Message {
  const trimmed = contentType.trim();
  if (trimmed === "") return V1;
  const [media, ...parameters] = trimmed.split(";");
  if (media.trim().toLowerCase() !== MEDIA_TYPE) {
    throw new HttpError(415, `expected ${MEDIA_TYPE} as the first (media) part, got ${trimmed} content-type`);
  }
  for (const parameter of parameters) {
    const pair = parameter.split("=");
    if (pair.length !== 2) {
      throw new HttpError(
        415,
        `as per https://www.rfc-editor.org/rfc/rfc9110#parameter expected parameters to be key-values, got ${parameter} in ${trimmed} content-type`,
      );
    }
    if (pair[0].trim().toLowerCase() !== "proto") continue;
    const name = pair[1].trim().replace(/^"(.*)"$/, "$1");
    if (name === V1 || name === V2) return name;
    throw new HttpError(
      415,
      `got ${trimmed} content type; unknown type for remote write protobuf message ${name}, supported: ${V1}, ${V2}`,
    );
  }
  return V1;
}

function createMetrics(registry: MetricsRegistry) {
  return {
    requests: registry.counterVec(
      "belfry_remote_write_requests_total",
      "Remote write requests by protocol version and status.",
      ["version", "code"],
    ),
    samples: registry.counterVec("belfry_remote_write_samples_total", "Samples accepted through remote write.", [
      "version",
    ]),
    histograms: registry.counterVec(
      "belfry_remote_write_histograms_total",
      "Native histograms accepted through remote write.",
      ["version"],
    ),
    exemplars: registry.counterVec("belfry_remote_write_exemplars_total", "Exemplars accepted through remote write.", [
      "version",
    ]),
    refused: registry.counterVec(
      "belfry_remote_write_refused_samples_total",
      "Samples, histograms and exemplars refused in remote write requests.",
      ["reason"],
    ),
    seconds: registry.histogram(
      "belfry_remote_write_request_duration_seconds",
      "Time from a request's body to its durable acknowledgement.",
    ),
  };
}
