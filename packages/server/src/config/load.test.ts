import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ConfigError } from "../lib/yaml-decode.ts";
import { checkConfig } from "./check.ts";
import { loadConfig, loadConfigText, type LoadedConfig, parsePrometheusConfig, renderConfig } from "./load.ts";
import { describeNotice } from "./unsupported.ts";

function load(text: string, environment: Record<string, string> = {}): LoadedConfig {
  return loadConfigText(text, { environment, folder: "/etc/prometheus" });
}

function failure(text: string): ConfigError {
  try {
    load(text);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("expected a ConfigError");
}

describe("a job takes from global what it leaves out", () => {
  const text = `
global:
  scrape_interval: 15s
  scrape_timeout: 12s
  sample_limit: 1500
  body_size_limit: 15MB
  scrape_native_histograms: true
  extra_scrape_metrics: true
scrape_configs:
- job_name: a
- job_name: b
  scrape_interval: 5s
  sample_limit: 10
  scrape_native_histograms: false
  extra_scrape_metrics: false
  params: {module: [x, y]}
`;
  test("limits, times and histograms", () => {
    const [a, b] = load(text).scrapeConfigs;
    expect(a).toMatchObject({
      jobName: "a",
      scrapeIntervalMs: 15_000,
      scrapeTimeoutMs: 12_000,
      sampleLimit: 1500,
      bodySizeLimit: 15 * 1024 ** 2,
      scrapeNativeHistograms: true,
      extraScrapeMetrics: true,
      metricsPath: "/metrics",
      scheme: "http",
      honorTimestamps: true,
      enableCompression: true,
      nameScheme: "utf8",
      escapingScheme: "allow-utf-8",
    });
    expect(a!.scrapeProtocols[0]).toBe("PrometheusProto");
    expect(b).toMatchObject({
      scrapeIntervalMs: 5000,
      scrapeTimeoutMs: 5000,
      sampleLimit: 10,
      scrapeNativeHistograms: false,
      extraScrapeMetrics: false,
      params: new Map([["module", ["x", "y"]]]),
    });
    expect(b!.scrapeProtocols).toEqual([
      "OpenMetricsText1.0.0",
      "OpenMetricsText0.0.1",
      "PrometheusText1.0.0",
      "PrometheusText0.0.4",
    ]);
  });

  test.each([
    ["legacy", "", "", "", ["legacy", "underscores"]],
    ["", "", "legacy", "", ["legacy", "underscores"]],
    ["legacy", "values", "utf8", "dots", ["utf8", "dots"]],
    ["legacy", "values", "utf8", "", ["utf8", "allow-utf-8"]],
    ["legacy", "dots", "", "", ["legacy", "dots"]],
  ])("names: global %j %j, job %j %j", (scheme, escaping, own, ownEscaping, expected) => {
    const keys = (validation: string, escape: string, pad: string): string =>
      `${validation && `${pad}metric_name_validation_scheme: ${validation}\n`}${escape && `${pad}metric_name_escaping_scheme: ${escape}\n`}`;
    const text = `global:\n  scrape_interval: 1m\n${keys(scheme, escaping, "  ")}scrape_configs:\n- job_name: a\n${keys(own, ownEscaping, "  ")}`;
    const { nameScheme, escapingScheme } = load(text).scrapeConfigs[0]!;
    expect([nameScheme, escapingScheme]).toEqual(expected);
  });

  test("an empty global is the default one", () => {
    for (const text of ["", "global:\n", "global: {}\n"]) {
      expect(load(text).prometheus.global).toMatchObject({
        scrapeIntervalMs: 60_000,
        scrapeTimeoutMs: 10_000,
        evaluationIntervalMs: 60_000,
        nameScheme: "utf8",
      });
    }
  });
});

test("paths are relative to the file's folder, wherever they stand", () => {
  const { prometheus, scrapeConfigs } = load(`
rule_files: [a.rules, /b.rules]
scrape_configs:
- job_name: a
  tls_config: {ca_file: ca.crt, cert_file: c, key_file: k}
  basic_auth: {username: u, password_file: pw}
  http_headers: {X: {files: [h]}}
  file_sd_configs: [{files: ["sd/*.json"]}]
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: kube}]
  http_sd_configs: [{url: "http://x/", authorization: {credentials_file: token}}]
remote_write: [{url: "http://x/", oauth2: {client_id: a, token_url: b, client_secret_file: s}}]
`);
  const job = scrapeConfigs[0]!;
  expect(prometheus.ruleFiles).toEqual(["/etc/prometheus/a.rules", "/b.rules"]);
  expect(job.http.tls.caFile).toBe("/etc/prometheus/ca.crt");
  expect(job.http.basicAuth?.passwordFile).toBe("/etc/prometheus/pw");
  expect(job.http.headers?.get("X")?.files).toEqual(["/etc/prometheus/h"]);
  expect(prometheus.remoteWrite[0]!.http.oauth2?.clientSecretFile).toBe("/etc/prometheus/s");
  expect(job.discovery).toMatchObject([
    { kind: "file", files: ["/etc/prometheus/sd/*.json"], refreshIntervalMs: 300_000 },
    { kind: "http", http: { authorization: { type: "Bearer", credentialsFile: "/etc/prometheus/token" } } },
    { kind: "kubernetes", kubeconfigFile: "/etc/prometheus/kube", namespaces: [], ownNamespace: false },
  ]);
});

test("the older bearer keys become an authorization", () => {
  const text = "scrape_configs:\n- {job_name: a, bearer_token: x}\n- {job_name: b, bearer_token_file: f}\n";
  const [a, b] = load(text).scrapeConfigs;
  expect(a!.http.authorization).toMatchObject({ type: "Bearer", credentials: "x" });
  expect(b!.http.authorization).toMatchObject({ type: "Bearer", credentialsFile: "/etc/prometheus/f" });
  expect(a!.http).not.toMatchObject({ bearerToken: "x" });
});

test("external labels take variables of the environment", () => {
  const text = 'global:\n  external_labels: {a: "x${V}y", b: $V, c: "$$V", d: "${V", e: "a$", f: "$-1", g: "${}"}\n';
  const { prometheus, notices } = load(text, { V: "val" });
  expect({ ...prometheus.global.externalLabels.toRecord() }).toEqual({
    a: "xvaly",
    b: "val",
    c: "$V",
    d: "V",
    e: "a$",
    f: "1",
  });
  expect(notices.map(describeNotice)).toEqual(['external label "f": the environment variable - is empty or not set']);
});

describe("what is wrong is told with its place", () => {
  test.each([
    [
      "scrape_configs:\n- job_name: a\n- job_name: b\n  scrape_timeout: 2m\n",
      'scrape timeout greater than scrape interval for scrape config with job name "b"',
      { line: 3, path: "scrape_configs[1]" },
    ],
    [
      "scrape_configs:\n- job_name: a\n  relabel_configs:\n  - action: keep\n  - action: nope\n",
      'unknown relabel action "nope"',
      { line: 5, path: "scrape_configs[0].relabel_configs[1].action" },
    ],
    [
      "scrape_configs:\n- job_name: a\n  metric_relabel_configs:\n  - regex: '('\n",
      "error parsing regexp: missing closing ): `^(?s:()$`",
      { line: 4, path: "scrape_configs[0].metric_relabel_configs[0].regex" },
    ],
    [
      "global:\n  scrape_interval: 1\n",
      'not a valid duration string: "1"',
      { line: 2, path: "global.scrape_interval" },
    ],
    [
      "remote_write:\n- url: http://a\n- url: 'http://a b/'\n",
      'parse "http://a b/": invalid character " " in host name',
      { line: 3, path: "remote_write[1].url" },
    ],
    [
      "scrape_configs:\n- job_name: a\n  dns_sd_configs:\n  - names: [x]\n    type: A\n",
      "a port is required in DNS-SD configs for all record types except SRV",
      { line: 4, path: "scrape_configs[0].dns_sd_configs[0]" },
    ],
  ])("%j", (text, message, place) => {
    const error = failure(text);
    expect([error.message, error.place]).toEqual([message, place]);
  });

  test("every unknown key at once", () => {
    expect(failure("global:\n  a: 1\nb: 2\nscrape_configs:\n- job_name: x\n  c: 3\n").message).toBe(
      [
        "yaml: unmarshal errors:",
        "  line 2: field a not found in type config.plain",
        "  line 3: field b not found in type config.plain",
        "  line 6: field c not found in type config.ScrapeConfig",
      ].join("\n"),
    );
  });
});

describe("what is not done is named, once each", () => {
  test("in prometheus.yml", () => {
    const { notices } = load(`
runtime: {gogc: 50}
rule_files: [x.rules]
alerting: {alertmanagers: [{static_configs: [{targets: [a]}]}]}
tracing: {endpoint: "x:1"}
remote_write: [{url: "http://x/"}]
remote_read: [{url: "http://y/"}]
scrape_configs:
- job_name: c
  consul_sd_configs: [{server: "x"}]
  tls_config: {ca_ref: secret}
`);
    expect(notices.map((notice) => [notice.severity, describeNotice(notice)])).toEqual([
      ["warning", "runtime.gogc has no effect: Belfry does not run on Go (line 2)"],
      ["warning", "rule_files is not supported yet: no rules are evaluated"],
      ["warning", "alerting is not supported yet: no alerts are sent (line 4)"],
      ["warning", "tracing is not supported yet: no spans are sent (line 5)"],
      ["warning", "remote_write to http://x/ is not supported yet: nothing is sent (line 6)"],
      ["warning", "remote_read from http://y/ is not supported yet: nothing is read from there (line 7)"],
      ["error", 'job "c": consul service discovery is not supported yet: its targets are not scraped (line 10)'],
      ["error", 'job "c": tls_config.ca_ref is not supported: there is no secret manager (line 9)'],
    ]);
  });

  test("further documents", () => {
    expect(load("global: {}\n---\nfoo: bar\n").notices.map(describeNotice)).toEqual([
      "only the first of 2 YAML documents is read",
    ]);
  });
});

describe("belfry.yml", () => {
  test("holds prometheus.yml in place", () => {
    const config = load(`
metrics:
  global: {scrape_interval: 5s}
  scrape_configs: [{job_name: a}]
retention: {metrics: 30d}
budget: {memory: 512MB, disk: 10GB}
logs: {anything: [goes, here]}
`);
    expect(config).toMatchObject({
      kind: "belfry",
      retention: { metricsMs: 30 * 86_400_000, logsMs: 0 },
      budget: { memoryBytes: 512 * 1024 ** 2, diskBytes: 10 * 1024 ** 3 },
      scrapeConfigs: [{ jobName: "a", scrapeIntervalMs: 5000 }],
    });
    expect(config.notices.map(describeNotice)).toEqual(["logs is not supported yet: the section is not read (line 7)"]);
  });

  test("a fault in it has its place", () => {
    const error = failure("metrics:\n  global:\n    scrape_interval: x\n");
    expect(error.place).toEqual({ line: 3, path: "metrics.global.scrape_interval" });
    expect(failure("metrics: {}\nbogus: 1\n").message).toBe(
      "yaml: unmarshal errors:\n  line 2: field bogus not found in type belfry.yml",
    );
  });
});

describe("files", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "belfry-config-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));
  const write = (name: string, text: string): string => {
    const path = join(folder, name);
    writeFileSync(path, text);
    return path;
  };

  test("belfry.yml may name the file with the metrics", () => {
    mkdirSync(join(folder, "prom"));
    write("prom/prometheus.yml", "scrape_configs:\n- job_name: a\n  file_sd_configs: [{files: [t.json]}]\n");
    const path = write("belfry.yml", "metrics: prom/prometheus.yml\n");
    const config = loadConfig(path);
    expect(config.scrapeConfigs[0]!.discovery).toMatchObject([{ files: [join(folder, "prom/t.json")] }]);
  });

  test("jobs of scrape_config_files come after those of the main file, paths relative to their own", () => {
    mkdirSync(join(folder, "jobs"));
    write("jobs/b.yml", "scrape_configs:\n- job_name: b\n  file_sd_configs: [{files: [t.json]}]\n");
    write("jobs/a.yml", "scrape_configs:\n- job_name: c\n");
    const path = write(
      "p.yml",
      "global: {scrape_interval: 7s}\nscrape_config_files: ['jobs/*.yml']\nscrape_configs:\n- job_name: z\n",
    );
    const { scrapeConfigs } = loadConfig(path);
    expect(scrapeConfigs.map((job) => [job.jobName, job.scrapeIntervalMs])).toEqual([
      ["z", 7000],
      ["c", 7000],
      ["b", 7000],
    ]);
    expect(scrapeConfigs[2]!.discovery).toMatchObject([{ files: [join(folder, "jobs/t.json")] }]);
  });

  test("the hash follows every file that is read", () => {
    write("r.rules", "groups: []\n");
    write("j.yml", "scrape_configs: []\n");
    const path = write("p.yml", "rule_files: ['*.rules']\nscrape_config_files: [j.yml]\n");
    const first = loadConfig(path).hash;
    expect(loadConfig(path).hash).toBe(first);
    write("r.rules", "groups: [ ]\n");
    const second = loadConfig(path).hash;
    expect(second).not.toBe(first);
    write("j.yml", "scrape_configs:\n");
    expect(loadConfig(path).hash).not.toBe(second);
  });

  test("bytes that are no UTF-8 are refused, a byte order mark is not", () => {
    const path = join(folder, "p.yml");
    writeFileSync(path, Buffer.from([0x61, 0x3a, 0x20, 0xff, 0x0a]));
    expect(() => loadConfig(path)).toThrow(`parsing YAML file ${path}: yaml: invalid leading UTF-8 octet`);
    writeFileSync(path, "\ufeffglobal: {}\n");
    expect(loadConfig(path).kind).toBe("prometheus");
  });

  test("a check says what promtool says, and where", () => {
    const path = write("p.yml", "scrape_configs:\n- job_name: a\n  file_sd_configs: [{files: [t.json]}]\n");
    const lines = (): string[] => checkConfig(path).lines.map((line) => line.text);
    expect(lines()).toEqual([
      `Checking ${path}`,
      `  WARNING: file "${folder}/t.json" for file_sd in scrape job "a" does not exist`,
      ` SUCCESS: ${path} is valid prometheus config file syntax`,
      "",
    ]);
    write("t.json", '[{"targets": [1]}]');
    expect(lines()[1]).toBe(
      `  FAILED: checking SD file "${folder}/t.json": json: cannot unmarshal number into Go struct field .targets of type string`,
    );
    write("t.json", '[{"targets": ["http://x/"]}]');
    expect(lines()[1]).toBe(`  FAILED: instance 0 in group ${folder}/t.json:0: "http://x/" is not a valid hostname`);
    write("p.yml", "scrape_configs:\n- job_name: ''\n");
    expect(lines().slice(1)).toEqual([
      `  FAILED: parsing YAML file ${path}: job_name is empty`,
      "          at scrape_configs[0], line 2",
      "",
    ]);
    write("p.yml", "scrape_configs:\n- {job_name: slow, scrape_interval: 10m}\n");
    const linted = checkConfig(path, { lookbackDeltaMs: 300_000 });
    expect([linted.ok, linted.lint]).toEqual([true, true]);
  });
});

test("printing hides secrets and keeps upstream's order of keys", () => {
  const text = renderConfig(
    parsePrometheusConfig(`
scrape_configs:
- job_name: a
  static_configs: [{targets: ["x:1"], labels: {l: v}}]
  basic_auth: {username: u, password: hunter2}
  proxy_url: http://user:hunter2@proxy/
  metric_relabel_configs: [{source_labels: [__name__], regex: a.*, action: keep}]
`),
  );
  expect(text).not.toContain("hunter2");
  expect(text).toBe(`global:
  scrape_interval: 1m
  scrape_timeout: 10s
  evaluation_interval: 1m
  metric_name_validation_scheme: utf8
  metric_name_escaping_scheme: allow-utf-8
  scrape_native_histograms: false
runtime:
  gogc: 75
scrape_configs:
- job_name: a
  honor_timestamps: true
  track_timestamps_staleness: false
  scrape_interval: 1m
  scrape_timeout: 10s
  scrape_protocols:
  - OpenMetricsText1.0.0
  - OpenMetricsText0.0.1
  - PrometheusText1.0.0
  - PrometheusText0.0.4
  scrape_native_histograms: false
  always_scrape_classic_histograms: false
  convert_classic_histograms_to_nhcb: false
  metrics_path: /metrics
  scheme: http
  enable_compression: true
  metric_name_validation_scheme: utf8
  metric_name_escaping_scheme: allow-utf-8
  extra_scrape_metrics: false
  basic_auth:
    username: u
    password: <secret>
  follow_redirects: true
  enable_http2: true
  proxy_url: http://user:xxxxx@proxy/
  metric_relabel_configs:
  - source_labels: [__name__]
    separator: ;
    regex: a.*
    replacement: $1
    action: keep
  static_configs:
  - targets:
    - x:1
    labels:
      l: v
otlp:
  translation_strategy: UnderscoreEscapingWithSuffixes
  label_name_underscore_sanitization: true
  label_name_preserve_multiple_underscores: true
`);
});
