// What a scrape asks for: Accept as upstream sends it.
import { type EscapingScheme, PROTOCOL_HEADERS, type ScrapeProtocol } from "./config.ts";

/** acceptHeader lists the protocols in order of preference. */
export function acceptHeader(protocols: readonly ScrapeProtocol[], escaping: EscapingScheme): string {
  const parts: string[] = [];
  let weight = Object.keys(PROTOCOL_HEADERS).length + 1;
  for (const protocol of protocols) {
    // Only the newer text formats know of escaping.
    const newer = protocol === "PrometheusText1.0.0" || protocol === "OpenMetricsText1.0.0";
    parts.push(`${PROTOCOL_HEADERS[protocol]}${newer ? `;escaping=${escaping}` : ""};q=0.${weight--}`);
  }
  parts.push(`*/*;q=0.${weight}`);
  return parts.join(",");
}

/** fallbackMediaType is the media type of a fallback protocol; "" without one. */
export function fallbackMediaType(protocol: ScrapeProtocol | ""): string {
  return protocol === "" ? "" : PROTOCOL_HEADERS[protocol].split(";")[0];
}
