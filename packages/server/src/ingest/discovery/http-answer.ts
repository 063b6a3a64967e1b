import { type HttpClient, type HttpResponse, readBody } from "../../lib/http-client.ts";

/** HttpQuestion is one GET; `timeoutMs` bounds all of it, body included. */
export interface HttpQuestion {
  url: string;
  headers?: Readonly<Record<string, string>>;
  timeoutMs: number;
  maxBytes: number;
  signal: AbortSignal;
  /** check throws for answers whose body is not wanted; it is given the headers only. */
  check?(response: HttpResponse): void;
}

/** askForText reads a whole answer as text. Rejects with what the client and `check` say, past the limits, or at the end of the signal. */
export async function askForText(
  client: HttpClient,
  question: HttpQuestion,
): Promise<{ response: HttpResponse; text: string }> {
  const { url, headers, timeoutMs, maxBytes, signal, check } = question;
  const deadline = AbortSignal.timeout(timeoutMs);
  const response = await client.request(url, {
    ...(headers === undefined ? {} : { headers }),
    signal: AbortSignal.any([signal, deadline]),
  });
  try {
    check?.(response);
  } catch (error) {
    await response.discard();
    throw error;
  }
  try {
    const bytes = await readBody(response, maxBytes);
    return { response, text: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8") };
  } catch (error) {
    if (!deadline.aborted || signal.aborted) throw error;
    throw new Error(`Get ${JSON.stringify(url)}: context deadline exceeded while reading body`, { cause: error });
  }
}
