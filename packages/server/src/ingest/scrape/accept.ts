// What a scrape asks for: Accept and Accept-Encoding as upstream sends them.

/** SCRAPE_PROTOCOLS are the exposition formats by the names that configuration uses. */
export const SCRAPE_PROTOCOLS = {
  PrometheusProto: "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
  "PrometheusText0.0.4": "text/plain;version=0.0.4",
  "PrometheusText1.0.0": "text/plain;version=1.0.0",
  "OpenMetricsText0.0.1": "application/openmetrics-text;version=0.0.1",
  "OpenMetricsText1.0.0": "application/openmetrics-text;version=1.0.0",
} as const;
export type ScrapeProtocol = keyof typeof SCRAPE_PROTOCOLS;

/** EscapingScheme says how a target is to send names that are not classic. */
export type EscapingScheme = "allow-utf-8" | "underscores" | "dots" | "values";

/** acceptHeader lists the protocols in order of preference. */
export function acceptHeader(protocols: readonly ScrapeProtocol[], escaping: EscapingScheme): string {
  const parts: string[] = [];
  let weight = Object.keys(SCRAPE_PROTOCOLS).length + 1;
  for (const protocol of protocols) {
    const newer = protocol === "PrometheusText1.0.0" || protocol === "OpenMetricsText1.0.0";
    parts.push(`${SCRAPE_PROTOCOLS[protocol]}${newer ? `;escaping=${escaping}` : ""};q=0.${weight--}`);
  }
  parts.push(`*/*;q=0.${weight}`);
  return parts.join(",");
}

/** fallbackMediaType is the media type of a fallback protocol; "" without one. */
export function fallbackMediaType(protocol: ScrapeProtocol | undefined): string {
  return protocol === undefined ? "" : SCRAPE_PROTOCOLS[protocol].split(";")[0];
}
