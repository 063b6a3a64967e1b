// The process that store-crash.test.ts kills: appends without end and says on its output what was acknowledged.
import { Labels } from "@belfry/core/model";
import { openDatabase } from "../database/index.ts";
import { systemClock } from "../lib/clock.ts";
import { openMetricStore } from "./index.ts";

const [path, round, startMs] = process.argv.slice(2) as [string, string, string];
const database = await openDatabase({ path });
const store = await openMetricStore({ database, clock: systemClock, windowMs: 600_000 });
await store.ready;
console.log("open");
let batch = 0;

// Several senders at once, as remote write has shards; some series are new in every batch.
async function sender(shard: number): Promise<void> {
  for (;;) {
    const number = batch++;
    const timeMs = Number(startMs) + number;
    const appender = store.appender();
    for (let i = 0; i < 20; i++) {
      appender.append(0, Labels.fromRecord({ __name__: "acked", shard: String(shard), i: String(i) }), timeMs, number);
    }
    appender.append(0, Labels.fromRecord({ __name__: "fresh", round, number: String(number) }), timeMs, number);
    // A scrape beside it, which nobody waits for.
    const scrape = store.appender({ scrape: true });
    scrape.append(0, Labels.fromRecord({ __name__: "scraped", shard: String(shard) }), timeMs, number);
    void scrape.commit();
    await appender.commit();
    process.stdout.write(`${shard} ${number}\n`);
  }
}

await Promise.all([sender(0), sender(1), sender(2)]);
