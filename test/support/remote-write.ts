import { encodeSnappy } from "../../packages/server/src/lib/snappy.ts";
import { encodeWriteRequestV1, encodeWriteRequestV2, type WriteSeries } from "./remote-write-encoder.ts";

/** pushV1 sends one remote write 1.0 request. */
export async function pushV1(url: string, series: readonly WriteSeries[]): Promise<{ status: number; text: string }> {
  const response = await fetch(`${url}/api/v1/write`, {
    method: "POST",
    body: Buffer.from(encodeSnappy(encodeWriteRequestV1(series))),
    headers: {
      "content-type": "application/x-protobuf",
      "content-encoding": "snappy",
      "x-prometheus-remote-write-version": "0.1.0",
    },
  });
  return { status: response.status, text: await response.text() };
}

/** pushV2 sends one remote write 2.0 request; `headers` are the written counts of the answer. */
export async function pushV2(
  url: string,
  series: readonly WriteSeries[],
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`${url}/api/v1/write`, {
    method: "POST",
    body: Buffer.from(encodeSnappy(encodeWriteRequestV2(series))),
    headers: {
      "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
      "content-encoding": "snappy",
      "x-prometheus-remote-write-version": "2.0.0",
    },
  });
  return { status: response.status, text: await response.text(), headers: response.headers };
}
