// What a configuration may say that this version does not do. Nothing of it is ignored in silence: each is named once,
// as a warning, or as an error where the outcome would differ from what was asked for. Whoever builds one of these
// takes its line out of here.
import type { Place } from "../lib/yaml-decode.ts";
import type { HttpClientConfig } from "../lib/http-config.ts";
import type { DiscoveryConfig } from "../ingest/discovery/config.ts";
import type { PrometheusConfig } from "./prometheus-config.ts";
import type { ScrapeConfig } from "../ingest/scrape/config.ts";

/** Notice tells of something that is not done; `severity` is "error" where targets or samples are missing for it. */
export interface Notice {
  severity: "warning" | "error";
  message: string;
  place: Place | undefined;
}

/** describeNotice is the notice as one line. */
export function describeNotice(notice: Notice): string {
  return notice.place === undefined ? notice.message : `${notice.message} (line ${notice.place.line})`;
}

type PlaceOf = (value: object) => Place | undefined;

/** unsupportedNotices lists what a configuration asks for in vain. */
export function unsupportedNotices(
  config: PrometheusConfig,
  jobs: readonly ScrapeConfig[],
  placeOf: PlaceOf = () => undefined,
): Notice[] {
  const out: Notice[] = [];
  const warn = (message: string, value?: object): void => {
    out.push({ severity: "warning", message, place: value === undefined ? undefined : placeOf(value) });
  };
  const { global, storage, alerting } = config;
  if (global.queryLogFile !== "") warn("global.query_log_file is not supported yet: queries are not logged");
  if (config.runtime.gogc !== 75) warn("runtime.gogc has no effect: Belfry does not run on Go", config.runtime);
  if (config.ruleFiles.length > 0) warn("rule_files is not supported yet: no rules are evaluated");
  if (alerting.alertmanagers.length > 0 || alerting.alertRelabelConfigs.length > 0) {
    warn("alerting is not supported yet: no alerts are sent", alerting);
  }
  if (config.tracing !== undefined) warn("tracing is not supported yet: no spans are sent", config.tracing);
  for (const entry of config.remoteWrite) {
    warn(`remote_write to ${entry.url} is not supported yet: nothing is sent`, entry);
  }
  for (const entry of config.remoteRead) {
    warn(`remote_read from ${entry.url} is not supported yet: nothing is read from there`, entry);
  }
  const { tsdb } = storage;
  if (tsdb !== undefined && tsdb.staleSeriesCompactionThreshold !== 0) {
    warn("storage.tsdb.stale_series_compaction_threshold has no effect: stale series leave memory by themselves", tsdb);
  }
  if ((tsdb?.chunkEncoding?.floats ?? "") !== "") {
    warn("storage.tsdb.chunk_encoding has no effect: samples are stored in ClickHouse", tsdb);
  }
  if ((tsdb?.retention?.percentage ?? 0) !== 0) {
    warn("storage.tsdb.retention.percentage is not supported yet: give a size", tsdb);
  }
  for (const job of jobs) {
    const name = JSON.stringify(job.jobName);
    for (const section of job.discovery) {
      const notice = discoveryNotice(section, `job ${name}`, placeOf);
      if (notice !== undefined) out.push(notice);
    }
    for (const key of secretReferences(job.http)) {
      out.push({
        severity: "error",
        message: `job ${name}: ${key} is not supported: there is no secret manager`,
        place: placeOf(job),
      });
    }
  }
  return out;
}

function discoveryNotice(section: DiscoveryConfig, whom: string, placeOf: PlaceOf): Notice | undefined {
  if (section.kind === "unsupported") {
    return {
      severity: "error",
      message: `${whom}: ${section.name} service discovery is not supported yet: its targets are not scraped`,
      place: placeOf(section) ?? { line: section.line, path: "" },
    };
  }
  return undefined;
}

// Upstream reads these keys for programs that embed it; Prometheus itself refuses them when the client is made.
function secretReferences(http: HttpClientConfig): string[] {
  const keys: readonly (readonly [string, string | undefined])[] = [
    ["basic_auth.username_ref", http.basicAuth?.usernameRef],
    ["basic_auth.password_ref", http.basicAuth?.passwordRef],
    ["authorization.credentials_ref", http.authorization?.credentialsRef],
    ["oauth2.client_secret_ref", http.oauth2?.clientSecretRef],
    ["oauth2.client_certificate_key_ref", http.oauth2?.clientCertificateKeyRef],
    ["tls_config.ca_ref", http.tls.caRef],
    ["tls_config.cert_ref", http.tls.certRef],
    ["tls_config.key_ref", http.tls.keyRef],
  ];
  return keys.filter(([, value]) => (value ?? "") !== "").map(([key]) => key);
}
