// What the built-in host metrics cost: `node bench/host-metrics.ts`. First the CPU time of one collection, whole and by
// collector; then a file of /proc read synchronously and asynchronously, which is why the collectors read as they do.
import { readFile } from "node:fs/promises";
import { createHostCollector } from "../packages/server/src/ingest/exporters/host/index.ts";
import { LINUX_COLLECTORS } from "../packages/server/src/ingest/exporters/host/collectors.ts";
import { DEFAULT_PATHS, HostFiles } from "../packages/server/src/ingest/exporters/host/host-files.ts";

const WARM_UP = 100;
const ROUNDS = 300;

async function cpuMicros(run: () => unknown): Promise<number> {
  for (let i = 0; i < WARM_UP; i++) await run();
  const before = process.cpuUsage();
  for (let i = 0; i < ROUNDS; i++) await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / ROUNDS;
}

const all = createHostCollector();
const text = await all.collect();
const samples = new TextDecoder()
  .decode(text)
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));
console.log(`one collection: ${samples.length} samples, ${text.length} bytes, CPU µs:`);
console.log(`${"all".padEnd(18)} ${(await cpuMicros(() => all.collect())).toFixed(0).padStart(6)}`);
all.close();
for (const { name } of LINUX_COLLECTORS) {
  const host = createHostCollector({ collectors: [name] });
  console.log(`${name.padEnd(18)} ${(await cpuMicros(() => host.collect())).toFixed(0).padStart(6)}`);
  host.close();
}

const files = new HostFiles(DEFAULT_PATHS);
console.log("\nreading one file, CPU µs:");
for (const path of ["/proc/loadavg", "/proc/meminfo", "/proc/vmstat"]) {
  const sync = await cpuMicros(() => files.read(path));
  const slow = await cpuMicros(() => files.readSlow(path));
  const promises = await cpuMicros(() => readFile(path, "utf8"));
  console.log(
    `${path.padEnd(18)} sync ${sync.toFixed(1).padStart(6)}  readSlow ${slow.toFixed(1).padStart(6)}  fs.promises ${promises.toFixed(1).padStart(6)}`,
  );
}
