// Scraping over HTTP: the request that upstream sends, and a body that is bounded in size before and after decompression.
import { decompress, SizeLimitError } from "../../lib/decompress.ts";
import type { HttpClient, HttpResponse } from "../../lib/http-client.ts";
import { BodySizeLimitError, type ScrapedBody, type Scraper } from "./scraper.ts";
import { ScrapeError } from "./scrape-append.ts";

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
  private lastBytes = 0;

  constructor(client: HttpClient, settings: HttpScraperSettings) {
    this.client = client;
    this.settings = settings;
    this.headers = {
      accept: settings.accept,
      "accept-encoding": settings.acceptEncoding,
      "user-agent": settings.userAgent,
      "x-prometheus-scrape-timeout-seconds": String(settings.timeoutMs / 1000),
    };
  }

  async scrape(signal: AbortSignal): Promise<ScrapedBody> {
    const response = await this.client.request(this.settings.url, { headers: this.headers, signal });
    if (response.status !== 200) {
      await response.discard();
      throw new ScrapeError(`server returned HTTP status ${response.statusText}`);
    }
    const { bodySizeLimitBytes } = this.settings;
    // Upstream refuses a body that reaches the limit, not only one that passes it.
    const limitBytes = bodySizeLimitBytes > 0 ? bodySizeLimitBytes - 1 : DEFAULT_BODY_LIMIT_BYTES;
    const encoding = response.headers["content-encoding"] ?? "";
    let bytes: Uint8Array;
    let length: number;
    try {
      const raw = await readAll(response, limitBytes, this.lastBytes);
      bytes = raw.bytes;
      length = raw.length;
      if (encoding !== "" && encoding !== "identity") {
        bytes = await decompress(bytes.subarray(0, length), encoding, limitBytes, this.lastBytes);
        length = bytes.length;
      }
    } catch (error) {
      if (error instanceof SizeLimitError) throw new BodySizeLimitError();
      throw error;
    }
    if (length > 0) this.lastBytes = length;
    return { bytes, length, contentType: response.headers["content-type"] ?? "", release: () => undefined };
  }

  close(): void {
    // The client is the pool's.
  }
}

async function readAll(
  response: HttpResponse,
  limitBytes: number,
  expectedBytes: number,
): Promise<{ bytes: Uint8Array; length: number }> {
  const announced = Number(response.headers["content-length"] ?? 0);
  if (announced > limitBytes) {
    await response.discard();
    throw new SizeLimitError(limitBytes);
  }
  let bytes = new Uint8Array(Math.min(limitBytes, Math.max(announced, expectedBytes, 4096)) + 8);
  let length = 0;
  for await (const chunk of response.body) {
    const need = length + chunk.length;
    if (need > limitBytes) throw new SizeLimitError(limitBytes);
    if (need + 8 > bytes.length) {
      const grown = new Uint8Array(need * 2 + 8);
      grown.set(bytes.subarray(0, length));
      bytes = grown;
    }
    bytes.set(chunk, length);
    length = need;
  }
  return { bytes, length };
}
