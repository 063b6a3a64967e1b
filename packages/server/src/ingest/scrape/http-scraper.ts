// Scraping over HTTP: the request that upstream sends, and a body that is bounded in size before and after decompression.
import { quoteGo } from "@belfry/core/model";
import { decompress, SizeLimitError } from "../../lib/decompress.ts";
import type { HttpClient, HttpResponse } from "../../lib/http-client.ts";
import { BodySizeLimitError, type ScrapedBody, type Scraper } from "./scraper.ts";
import { ScrapeError } from "./scrape-append.ts";

// Parsers want room behind a body.
const SLACK_BYTES = 8;
// Without body_size_limit a target could still fill the memory; no exposition that can be worked with is larger.
const DEFAULT_BODY_LIMIT_BYTES = 512 * 1024 * 1024;
/** HttpScraperSettings are what the requests of one target look like. */
export interface HttpScraperSettings {
  url: string;
  accept: string;
  acceptEncoding: string;
  userAgent: string;
  timeoutMs: number;
  /** bodySizeLimitBytes is body_size_limit; 0 means no limit of the user's. */
  bodySizeLimitBytes: number;
}

/** HttpScraper asks one URL. */
export class HttpScraper implements Scraper {
  private readonly client: HttpClient;
  private readonly settings: HttpScraperSettings;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly badUrl: ScrapeError | undefined;
  private lastBytes = 0;

  constructor(client: HttpClient, settings: HttpScraperSettings) {
    this.client = client;
    this.settings = settings;
    if (!URL.canParse(settings.url)) this.badUrl = new ScrapeError(`parse ${quoteGo(settings.url)}: invalid URL`);
    this.headers = {
      accept: settings.accept,
      "accept-encoding": settings.acceptEncoding,
      "user-agent": settings.userAgent,
      "x-prometheus-scrape-timeout-seconds": String(settings.timeoutMs / 1000),
    };
  }

  async scrape(signal: AbortSignal): Promise<ScrapedBody> {
    if (this.badUrl !== undefined) throw this.badUrl;
    const response = await this.client.request(this.settings.url, { headers: this.headers, signal });
    if (response.status !== 200) {
      await response.discard();
      throw new ScrapeError(`server returned HTTP status ${response.statusText}`);
    }
    const { bodySizeLimitBytes } = this.settings;
    // Upstream refuses a body that reaches the limit, not only one that passes it.
    const limitBytes = bodySizeLimitBytes > 0 ? bodySizeLimitBytes - 1 : DEFAULT_BODY_LIMIT_BYTES;
    const encoding = response.headers["content-encoding"] ?? "";
    try {
      const raw = await readAll(response, limitBytes, encoding === "" ? this.lastBytes : 0);
      const body = encoding === "" || encoding === "identity" ? raw : await this.decoded(raw, encoding, limitBytes);
      if (body.length > 0) this.lastBytes = body.length;
      return { ...body, contentType: response.headers["content-type"] ?? "" };
    } catch (error) {
      if (error instanceof SizeLimitError) throw new BodySizeLimitError();
      throw error;
    }
  }

  private async decoded(raw: RawBody, encoding: string, limitBytes: number): Promise<RawBody> {
    const out = await decompress(raw.bytes.subarray(0, raw.length), encoding, limitBytes, this.lastBytes);
    raw.release();
    return { bytes: withSlack(out), length: out.length, release: () => undefined };
  }

  close(): void {
    // The client is the pool's.
  }
}

type RawBody = Pick<ScrapedBody, "bytes" | "length" | "release">;

// What is decompressed lies in a buffer of its own that is usually larger; showing its end spares the parser a copy.
function withSlack(bytes: Uint8Array): Uint8Array {
  const end = bytes.byteOffset + bytes.length;
  const room = bytes.buffer.byteLength - end;
  // Small results may share Node's pool with others.
  if (room < SLACK_BYTES || bytes.byteOffset !== 0 || bytes.buffer.byteLength <= 2 * Buffer.poolSize) return bytes;
  return new Uint8Array(bytes.buffer, 0, end + SLACK_BYTES);
}

async function readAll(response: HttpResponse, limitBytes: number, expectedBytes: number): Promise<RawBody> {
  const announced = Number(response.headers["content-length"] ?? 0);
  if (announced > limitBytes) {
    await response.discard();
    throw new SizeLimitError(limitBytes);
  }
  let bytes = takeBuffer(Math.min(limitBytes, Math.max(announced, expectedBytes)) + SLACK_BYTES);
  let length = 0;
  for await (const chunk of response.body) {
    const need = length + chunk.length;
    if (need > limitBytes) {
      giveBuffer(bytes);
      throw new SizeLimitError(limitBytes);
    }
    if (need + SLACK_BYTES > bytes.length) {
      const grown = takeBuffer(need * 2 + SLACK_BYTES);
      grown.set(bytes.subarray(0, length));
      giveBuffer(bytes);
      bytes = grown;
    }
    bytes.set(chunk, length);
    length = need;
  }
  const own = bytes;
  return { bytes: own, length, release: () => giveBuffer(own) };
}

// Buffers of bodies are used again, by size class. A thousand targets are scraped one after another, not at once, so
// a few of each size do; more are left to the garbage collector.
const SMALLEST_CLASS = 13;
const LARGEST_CLASS = 23;
const KEPT_PER_CLASS = 4;
const kept: Uint8Array[][] = Array.from({ length: LARGEST_CLASS + 1 }, () => []);

function takeBuffer(size: number): Uint8Array {
  const sizeClass = Math.max(SMALLEST_CLASS, 32 - Math.clz32(size - 1));
  if (sizeClass > LARGEST_CLASS) return new Uint8Array(size);
  return kept[sizeClass].pop() ?? new Uint8Array(2 ** sizeClass);
}

function giveBuffer(bytes: Uint8Array): void {
  const sizeClass = 31 - Math.clz32(bytes.length);
  if (sizeClass > LARGEST_CLASS || 2 ** sizeClass !== bytes.length) return;
  if (kept[sizeClass].length < KEPT_PER_CLASS) kept[sizeClass].push(bytes);
}
