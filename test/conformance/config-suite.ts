// Configuration files of Prometheus: what is refused says what upstream says, what is accepted means what it means
// there and survives being printed and read again.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import {
  checkTlsVersions,
  httpClientCodec,
  joinHttpPaths,
  tlsConfigCodec,
} from "../../packages/server/src/lib/http-config-codec.ts";
import { noTls } from "../../packages/server/src/lib/http-config.ts";
import { type Codec, decodeYaml } from "../../packages/server/src/lib/yaml-decode.ts";
import { renderYaml } from "../../packages/server/src/lib/yaml-encode.ts";
import { parseYaml } from "../../packages/server/src/lib/yaml-node.ts";
import {
  checkConfig,
  loadConfig,
  parsePrometheusConfig,
  renderConfig,
} from "../../packages/server/src/config/index.ts";
import { Labels } from "../../packages/core/src/model/index.ts";
import { checkRelabelConfig, Relabeller, relabelConfigCodec } from "../../packages/server/src/ingest/relabel/index.ts";
import { CONFORMANCE_ROOT, hasConformance, listConformance, readConformance } from "./data.ts";
import type { ConformanceSuite, SuiteOptions, SuiteRow } from "./suite.ts";

const PROMETHEUS = "prometheus/prometheus_config";
const HTTP = "prometheus/common_http_config";
const PROMTOOL = "prometheus/promtool";
const RELABEL = "prometheus/relabel_cases/relabel_cases.json";

/** suite covers config/testdata of prometheus and common, and promtool's check config. */
export const suite: ConformanceSuite = { name: "Configuration", data: PROMETHEUS, run };

/** runConfig runs the whole suite. */
export function runConfig(): Promise<SuiteRow[]> {
  return run({ filter: "" });
}

async function run({ filter }: SuiteOptions): Promise<SuiteRow[]> {
  if (!hasConformance(PROMETHEUS)) return [];
  const row = (name: string): SuiteRow => ({ name, passed: 0, failed: 0, skipped: 0, failures: [] });
  const rows = {
    refused: row("prometheus_config: refused"),
    accepted: row("prometheus_config: accepted"),
    http: row("common_http_config"),
    promtool: row("promtool check config"),
    relabel: row("relabel_cases"),
  };
  const judge = (into: SuiteRow, where: string, problem: string | undefined): void => {
    if (!where.includes(filter)) return;
    if (problem === undefined) into.passed++;
    else {
      into.failed++;
      into.failures.push({ where, input: where, message: problem });
    }
  };
  const expected = JSON.parse(readConformance(`${PROMETHEUS}/_expected_errors.json`)) as {
    file: string;
    errContains: string;
  }[];
  const told = new Map([...expected.map(({ file, errContains }) => [file, errContains] as const), ...MORE_REFUSED]);
  for (const file of listConformance(PROMETHEUS, ".yml")) {
    const path = join(CONFORMANCE_ROOT, PROMETHEUS, file);
    const wanted = told.get(file);
    if (wanted !== undefined) {
      // Upstream's tests run where the data is called testdata.
      const here = wanted.replaceAll("testdata/", `${join(CONFORMANCE_ROOT, PROMETHEUS)}/`);
      judge(
        rows.refused,
        file,
        refusal(() => loadConfig(path), here),
      );
    } else if (/\.bad\./.test(file))
      judge(
        rows.refused,
        file,
        refusal(() => loadConfig(path), ""),
      );
    else judge(rows.accepted, file, acceptance(path));
  }
  for (const file of listConformance(HTTP, "").filter((name) => /\.(ya?ml|json)$/.test(name))) {
    judge(rows.http, file, judgeHttp(file));
  }
  for (const file of PROMTOOL_FILES) {
    if (hasConformance(`${PROMTOOL}/${file}`)) judge(rows.promtool, file, judgePromtool(file));
  }
  if (hasConformance(RELABEL)) {
    (JSON.parse(readConformance(RELABEL)) as RelabelCase[]).forEach((one, i) => {
      judge(rows.relabel, `relabel_cases.json case ${i}`, judgeRelabel(one));
    });
  }
  return Object.values(rows);
}

interface RelabelCase {
  input: Record<string, string>;
  relabel: Record<string, unknown>[];
  output?: Record<string, string>;
  drop?: boolean;
}

// The rules go the whole way: as YAML through the codec, then applied.
function judgeRelabel({ input, relabel, output, drop }: RelabelCase): string | undefined {
  const rules = relabel.map((keys) => {
    const rule = decodeYaml(parseYaml(JSON.stringify(keys)), relabelConfigCodec, relabelConfigCodec.zero());
    checkRelabelConfig(rule, "utf8");
    return rule;
  });
  const result = new Relabeller(rules).relabel(Labels.fromRecord(input));
  const expected = drop === true ? undefined : Labels.fromRecord(output ?? {}).toString();
  return result?.toString() === expected ? undefined : `expected ${expected}, got ${result?.toString()}`;
}

// Files that upstream's other tests refuse, with the texts of those tests.
const MORE_REFUSED: ReadonlyMap<string, string> = new Map([
  ["metric_name_validation_scheme.bad.yml", 'unrecognized ValidationScheme: "invalid_scheme"'],
  ["otlp_allow_utf8.bad.yml", 'unsupported OTLP translation strategy "Invalid"'],
  [
    "otlp_allow_utf8.incompatible.yml",
    'OTLP translation strategy "NoUTF8EscapingWithSuffixes" is not allowed when UTF8 is disabled',
  ],
  [
    "otlp_no_translation.incompatible.yml",
    'OTLP translation strategy "NoTranslation" is not allowed when UTF8 is disabled',
  ],
  [
    "otlp_sanitize_promote_resource_attributes.bad.yml",
    "invalid 'promote_resource_attributes': duplicated promoted OTel resource attribute \"k8s.job.name\"\nempty promoted OTel resource attribute",
  ],
  [
    "otlp_sanitize_ignore_resource_attributes.bad.yml",
    "invalid 'ignore_resource_attributes': duplicated ignored OTel resource attribute \"k8s.job.name\"\nempty ignored OTel resource attribute",
  ],
  [
    "otlp_promote_all_resource_attributes.bad.yml",
    "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously",
  ],
  [
    "otlp_ignore_resource_attributes_without_promote_all.bad.yml",
    "'ignore_resource_attributes' cannot be configured unless 'promote_all_resource_attributes' is true",
  ],
  ["config_with_deprecated_am_api_config.yml", "expected Alertmanager api version to be one of [v2] but got v1"],
  ["scrape_config_files.bad.yml", "scrape timeout greater than scrape interval"],
  [
    "scrape_config_files_duplicate.bad.yml",
    'found multiple scrape configs with job name "prometheus", first found in main',
  ],
  ["scrape_config_files_double_import.bad.yml", 'found multiple scrape configs with job name "prometheus"'],
  ["scrape_config_files_global.bad.yml", "scrape timeout greater than scrape interval"],
  ["scrape_config_files_global_duplicate.bad.yml", 'found multiple scrape configs with job name "prometheus"'],
  ["static_config.bad.yml", "field targets not found in type config.plain"],
]);

function refusal(load: () => unknown, text: string): string | undefined {
  try {
    load();
  } catch (error) {
    const { message } = error as Error;
    return message.includes(text) ? undefined : `expected an error with\n${text}\ngot\n${message}`;
  }
  return `expected an error with\n${text}\ngot none`;
}

// Printing leaves out false, as upstream, and shows variables already put in: these do not come back the same.
const PRINTED_OTHERWISE: ReadonlySet<string> = new Set([
  "external_labels.good.yml",
  "otlp_label_underscore_sanitization_disabled.good.yml",
]);

function acceptance(path: string): string | undefined {
  try {
    const { prometheus } = loadConfig(path);
    const text = renderConfig(prometheus);
    if (PRINTED_OTHERWISE.has(basename(path))) return undefined;
    // Secrets do not come back, and paths are joined by now; all else must.
    const again = renderConfig(parsePrometheusConfig(text));
    return again === text ? undefined : `printed, read and printed again it differs:\n${text}\n---\n${again}`;
  } catch (error) {
    return (error as Error).message;
  }
}

const HTTP_REFUSED: ReadonlyMap<string, string> = new Map([
  ["http.conf.bearer-token-and-file-set.bad.yml", "at most one of bearer_token & bearer_token_file must be configured"],
  ["http.conf.empty.bad.yml", "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"],
  [
    "http.conf.basic-auth.too-much.bad.yaml",
    "at most one of basic_auth password, password_file & password_ref must be configured",
  ],
  [
    "http.conf.basic-auth.bad-username.yaml",
    "at most one of basic_auth username, username_file & username_ref must be configured",
  ],
  ["http.conf.mix-bearer-and-creds.bad.yaml", "authorization is not compatible with bearer_token & bearer_token_file"],
  [
    "http.conf.auth-creds-and-file-set.too-much.bad.yaml",
    "at most one of authorization credentials & credentials_file must be configured",
  ],
  [
    "http.conf.basic-auth-and-auth-creds.too-much.bad.yaml",
    "at most one of basic_auth, oauth2 & authorization must be configured",
  ],
  [
    "http.conf.basic-auth-and-oauth2.too-much.bad.yaml",
    "at most one of basic_auth, oauth2 & authorization must be configured",
  ],
  ["http.conf.auth-creds-no-basic.bad.yaml", 'authorization type cannot be set to "basic", use "basic_auth" instead'],
  [
    "http.conf.oauth2-secret-and-file-set.bad.yml",
    "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured",
  ],
  [
    "http.conf.oauth2-certificate-and-file-set.bad.yml",
    "at most one of oauth2 client_certificate_key, client_certificate_key_file & client_certificate_key_ref must be configured",
  ],
  ["http.conf.oauth2-no-client-id.bad.yaml", "oauth2 client_id must be configured"],
  ["http.conf.oauth2-no-token-url.bad.yaml", "oauth2 token_url must be configured"],
  [
    "http.conf.proxy-headers.bad.yml",
    "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
  ],
  [
    "http.conf.proxy-headers.bad.json",
    "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
  ],
  ["http.conf.proxy-from-env.bad.yaml", "if proxy_from_environment is configured, proxy_url must not be configured"],
  ["http.conf.no-proxy.bad.yaml", "if proxy_from_environment is configured, no_proxy must not be configured"],
  ["http.conf.no-proxy-without-proxy-url.bad.yaml", "if no_proxy is configured, proxy_url must also be configured"],
  ["http.conf.headers-reserved.bad.yaml", 'setting header "User-Agent" is not allowed'],
  ["tls_config.invalid_field.bad.yml", "field something_invalid not found in type config.plain"],
  ["tls_config.cert_no_key.bad.yml", "exactly one of key or key_file must be configured when a client certificate"],
  ["tls_config.key_no_cert.bad.yml", "exactly one of cert or cert_file must be configured when a client key"],
  ["tls_config.max_and_min_version.bad.yml", "tls_config.max_version must be greater than or equal to"],
  ["tls_config.max_and_min_version.bad.json", "tls_config.max_version must be greater than or equal to"],
]);

// Reading a file that names a token file is no fault; using it is. Upstream's test makes a client of it.
const HTTP_LATER: ReadonlySet<string> = new Set(["http.conf.invalid-bearer-token-file.bad.yml"]);

function judgeHttp(file: string): string | undefined {
  const text = readConformance(`${HTTP}/${file}`);
  const read = (): void => {
    if (file.startsWith("tls_config.")) {
      const tls = roundTrip(text, tlsConfigCodec, noTls());
      checkTlsVersions(tls);
    } else joinHttpPaths(roundTrip(text, httpClientCodec, httpClientCodec.zero()), "/etc");
  };
  const wanted = HTTP_REFUSED.get(file);
  if (wanted !== undefined) return refusal(read, wanted);
  if (/\.bad\./.test(file) && !HTTP_LATER.has(file)) return refusal(read, "");
  try {
    read();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function roundTrip<T>(text: string, codec: Codec<T>, zero: T): T {
  const value = decodeYaml(parseYaml(text), codec, zero);
  const printed = renderYaml(codec.print(value));
  const again = renderYaml(codec.print(decodeYaml(parseYaml(printed), codec, zero)));
  if (printed !== again) throw new Error(`printed, read and printed again it differs:\n${printed}\n---\n${again}`);
  return value;
}

const PROMTOOL_FILES: readonly string[] = [
  "authorization_credentials_file.bad.yml",
  "authorization_credentials_file.good.yml",
  "config_with_rule_files.yml",
  "config_with_service_discovery_files.yml",
  "config_with_tls_files.yml",
  "prometheus-aws-sd-empty-region.good.yml",
  "prometheus-config.bad.yml",
  "prometheus-config.good.yml",
  "prometheus-config.lint.too_long_scrape_interval.yml",
  "prometheus-config.lint.yml",
  "prometheus-config.rules.good.yml",
  "url_in_alert_targetgroup_with_relabel_config.bad.yml",
  "url_in_alert_targetgroup_with_relabel_config.good.yml",
  "url_in_scrape_targetgroup_with_relabel_config.bad.yml",
  "url_in_scrape_targetgroup_with_relabel_config.good.yml",
  "bad-sd-file-format.yml",
  "bad-sd-file-extension.nonexistent",
  "good-sd-file.json",
  "good-sd-file.yaml",
  "good-sd-file.yml",
];

// What promtool's tests expect: the text of the error, or of a line that must be there.
const PROMTOOL_SAYS: ReadonlyMap<string, string> = new Map([
  ["authorization_credentials_file.bad.yml", "error checking authorization credentials or bearer token file"],
  ["config_with_rule_files.yml", "does not point to an existing file"],
  ["config_with_tls_files.yml", "error checking client cert file"],
  ["prometheus-config.bad.yml", "field not-prometheus not found in type config.plain"],
  ["prometheus-config.rules.good.yml", "field groups not found in type config.plain"],
  ["url_in_alert_targetgroup_with_relabel_config.bad.yml", '"http://bad" is not a valid hostname'],
  [
    "url_in_scrape_targetgroup_with_relabel_config.bad.yml",
    'instance 0 in group 0: "http://bad" is not a valid hostname',
  ],
  ["bad-sd-file-format.yml", "field targats not found in type struct"],
]);

function judgePromtool(file: string): string | undefined {
  const path = join(CONFORMANCE_ROOT, PROMTOOL, file);
  if (/sd-file/.test(file)) return judgeSdFile(path);
  const { ok, lines } = checkConfig(path);
  const said = lines.map((line) => line.text).join("\n");
  const wanted = PROMTOOL_SAYS.get(file);
  if (ok !== (wanted === undefined)) return `expected ${wanted === undefined ? "success" : "failure"}, got\n${said}`;
  if (!said.includes(wanted ?? ` SUCCESS: ${path} is valid prometheus config file syntax`)) {
    return `expected ${wanted ?? "SUCCESS"}, got\n${said}`;
  }
  return undefined;
}

// A file of targets is checked by way of a configuration that names it.
function judgeSdFile(path: string): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "belfry-sd-"));
  try {
    const config = join(folder, "prometheus.yml");
    writeFileSync(config, `scrape_configs:\n- job_name: x\n  file_sd_configs:\n  - files: [${JSON.stringify(path)}]\n`);
    const { ok, lines } = checkConfig(config);
    const said = lines.map((line) => line.text).join("\n");
    const name = basename(path);
    const wanted = name.startsWith("bad-sd-file-extension")
      ? "is not valid for file discovery"
      : PROMTOOL_SAYS.get(name);
    if (ok !== (wanted === undefined)) return `expected ${wanted === undefined ? "success" : "failure"}, got\n${said}`;
    return wanted === undefined || said.includes(wanted) ? undefined : `expected ${wanted}, got\n${said}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
