import { createServer } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BelfryProcess, instant, runBelfry, startBelfry, waitFor } from "../support/belfry.ts";

describe("belfry serve without configuration", () => {
  let belfry: BelfryProcess;
  beforeAll(async () => {
    belfry = await startBelfry();
  });
  afterAll(() => belfry.remove());

  test("shows metrics of this machine and of itself within seconds", async () => {
    const up = await waitFor(async () => {
      const result = await instant(belfry.url, "up");
      return result.length >= 2 && result.every((sample) => sample.value[1] === "1") ? result : undefined;
    });
    expect(up.map((sample) => sample.metric["job"]).sort()).toEqual(["belfry", "node"]);
    const cpus = await instant(belfry.url, 'count(node_cpu_seconds_total{mode="idle"})');
    expect(Number(cpus[0]!.value[1])).toBeGreaterThan(0);
    const memory = await instant(belfry.url, "process_resident_memory_bytes");
    expect(Number(memory[0]!.value[1])).toBeGreaterThan(50e6);
  });

  test("answers the health routes", async () => {
    for (const [path, text] of [
      ["/-/healthy", "Prometheus Server is Healthy.\n"],
      ["/-/ready", "Prometheus Server is Ready.\n"],
      ["/healthz", "ok\n"],
    ] as const) {
      const response = await fetch(belfry.url + path);
      expect([response.status, await response.text()]).toEqual([200, text]);
    }
    const health = (await (await fetch(`${belfry.url}/api/health`)).json()) as { database: string };
    expect(health.database).toBe("ok");
  });

  test("exposes its own metrics, which promtool finds valid in form", async () => {
    const text = await (await fetch(`${belfry.url}/metrics`)).text();
    expect(text).toMatch(/^# TYPE belfry_\w+ /m);
    const checked = await runBelfry(["check", "metrics"], { input: text });
    expect(checked).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test("refuses a second process on the same data directory", async () => {
    await expect(startBelfry({ folder: belfry.folder })).rejects.toThrow(/in use|locked|another/i);
    expect(await instant(belfry.url, "up")).not.toHaveLength(0);
  });

  test("keeps what it scraped over a graceful restart", async () => {
    const own = await startBelfry();
    await waitFor(async () => ((await instant(own.url, "count(up)")).length > 0 ? true : undefined));
    const before = await instant(own.url, "count_over_time(up[10m])");
    expect(await own.stop()).toBe(0);
    const again = await startBelfry({ folder: own.folder, port: own.port });
    const after = await waitFor(async () => {
      const result = await instant(again.url, "count_over_time(up[10m])");
      return result.length >= before.length ? result : undefined;
    });
    for (const sample of before) {
      const same = after.find((other) => other.metric["job"] === sample.metric["job"])!;
      expect(Number(same.value[1])).toBeGreaterThanOrEqual(Number(sample.value[1]));
    }
    await again.remove();
  });
});

describe("belfry serve with a prometheus.yml", () => {
  test("scrapes the target, relabels, and shows a target that is down", async () => {
    const target = createServer((_request, response) => {
      response.setHeader("content-type", "text/plain; version=0.0.4");
      response.end('# TYPE jobs_total counter\njobs_total{queue="mail"} 42\njobs_total{queue="drop"} 1\n');
    });
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    const address = target.address() as { port: number };
    const belfry = await startBelfry({
      config: `
global:
  scrape_interval: 1s
  external_labels: {cluster: test}
scrape_configs:
  - job_name: jobs
    static_configs:
      - targets: ["127.0.0.1:${address.port}"]
        labels: {env: ci}
    metric_relabel_configs:
      - source_labels: [queue]
        regex: drop
        action: drop
  - job_name: down
    static_configs: [{targets: ["127.0.0.1:1"]}]
`,
    });
    try {
      const jobs = await waitFor(async () => {
        const result = await instant(belfry.url, "jobs_total");
        return result.length > 0 ? result : undefined;
      });
      expect(jobs.map((sample) => [sample.metric, sample.value[1]])).toEqual([
        [
          {
            __name__: "jobs_total",
            env: "ci",
            instance: `127.0.0.1:${address.port}`,
            job: "jobs",
            queue: "mail",
          },
          "42",
        ],
      ]);
      const up = await waitFor(async () => {
        const result = await instant(belfry.url, "up");
        return result.length === 2 ? result : undefined;
      });
      expect(Object.fromEntries(up.map((sample) => [sample.metric["job"], sample.value[1]]))).toEqual({
        jobs: "1",
        down: "0",
      });
      const response = await fetch(`${belfry.url}/api/v1/targets?state=active`);
      const { data } = (await response.json()) as {
        data: { activeTargets: { scrapePool: string; health: string; lastError: string }[] };
      };
      const down = data.activeTargets.find((active) => active.scrapePool === "down")!;
      expect(down.health).toBe("down");
      expect(down.lastError).toMatch(/connection refused/i);
    } finally {
      await belfry.remove();
      target.close();
    }
  });

  test("names the mistake and the line when the configuration is wrong", async () => {
    await expect(startBelfry({ config: "global:\n  scrape_intervall: 1s\n" })).rejects.toThrow(
      /line 2: field scrape_intervall not found in type/,
    );
  });
});
