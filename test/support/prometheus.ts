import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./belfry.ts";

const PROMETHEUS = "/usr/bin/prometheus";

/** hasPrometheus tells whether a real Prometheus can be started here. */
export const hasPrometheus = existsSync(PROMETHEUS);

/** PrometheusProcess is a running Prometheus. */
export interface PrometheusProcess {
  readonly url: string;
  remove(): Promise<void>;
}

/** startPrometheus starts a real Prometheus with remote write receiving, on a free loopback port. */
export async function startPrometheus(config: string): Promise<PrometheusProcess> {
  const folder = mkdtempSync(join(tmpdir(), "belfry-prometheus-"));
  const port = await freePort();
  writeFileSync(join(folder, "prometheus.yml"), config);
  const child = spawn(
    PROMETHEUS,
    [
      `--config.file=${join(folder, "prometheus.yml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--web.enable-remote-write-receiver",
      "--enable-feature=exemplar-storage",
      "--log.level=error",
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  for (let i = 0; ; i++) {
    try {
      const response = await fetch(`${url}/-/ready`);
      await response.arrayBuffer();
      if (response.ok) break;
    } catch {
      // Not listening yet.
    }
    if (i > 300 || child.exitCode !== null) throw new Error("prometheus did not start");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return {
    url,
    async remove() {
      child.kill("SIGKILL");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
