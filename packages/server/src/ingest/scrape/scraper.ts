// A scraper fetches one body. The loop does not know whether it came over HTTP or from a function in this process.

/** ScrapedBody is what a scraper brought; `bytes` may be longer than the body and is given back with `release`. */
export interface ScrapedBody {
  bytes: Uint8Array;
  /** length is the size of the decoded body in bytes. */
  length: number;
  contentType: string;
  /** release hands the memory back; the bytes are not valid afterwards. */
  release(): void;
}

/** Scraper fetches bodies of one target. */
export interface Scraper {
  /** scrape rejects with what becomes the target's last error; it must settle soon after `signal` aborts. */
  scrape(signal: AbortSignal): Promise<ScrapedBody>;
  /** close frees what the scraper holds. */
  close(): void;
}

/** BodySizeLimitError says that a body exceeded body_size_limit. */
export class BodySizeLimitError extends Error {
  constructor() {
    super("body size limit exceeded");
    this.name = "BodySizeLimitError";
  }
}

/** builtinScraper makes a scraper of a function that renders the classic text format (or another, by content type). */
export function builtinScraper(
  collect: () => Promise<Uint8Array>,
  contentType = "text/plain; version=0.0.4; charset=utf-8",
): Scraper {
  return {
    async scrape(signal) {
      const bytes = await abortable(collect(), signal);
      return { bytes, length: bytes.length, contentType, release: () => undefined };
    },
    close: () => undefined,
  };
}

// The work itself cannot be stopped, but whoever waits for it can.
function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) {
      onAbort();
      return;
    }
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(
      (value) => {
        signal.removeEventListener("abort", onAbort);
        resolve(value);
      },
      (error: unknown) => {
        signal.removeEventListener("abort", onAbort);
        reject(error as Error);
      },
    );
  });
}
