import { describe, expect, test } from "vitest";
import type { Clock, Timer } from "../lib/clock.ts";
import { createBatchWriter, type BatchWriterOptions, type ClosableBatchWriter } from "./batch-writer.ts";
import type { Database, QueryOptions } from "./database.ts";
import { DatabaseError } from "./errors.ts";

/** ManualClock moves when it is told to. */
class ManualClock implements Clock {
  private nowMs = 0;
  private timers: { dueMs: number; run: () => void }[] = [];

  now(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  setTimeout(run: () => void, delayMs: number): Timer {
    const timer = { dueMs: this.nowMs + delayMs, run };
    this.timers.push(timer);
    return { cancel: () => (this.timers = this.timers.filter((other) => other !== timer)) };
  }

  setInterval(): Timer {
    throw new Error("not used");
  }

  /** advance runs what falls due within `ms`, letting promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      await settle();
      const next = this.timers.toSorted((a, b) => a.dueMs - b.dueMs)[0];
      if (!next || next.dueMs > end) break;
      this.timers = this.timers.filter((other) => other !== next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.run();
    }
    this.nowMs = end;
    await settle();
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

interface Insert {
  text: string;
  token: unknown;
  done: () => void;
  fail: (error: Error) => void;
}

/** inserts records what is inserted; each insert waits until the test ends it. */
function setUp(options: Partial<BatchWriterOptions> = {}): {
  writer: ClosableBatchWriter;
  clock: ManualClock;
  inserts: Insert[];
  errors: [string, boolean][];
} {
  const clock = new ManualClock();
  const inserts: Insert[] = [];
  const errors: [string, boolean][] = [];
  const database = {
    kind: "embedded",
    insert(_table: string, _columns: readonly string[], _format: string, data: Uint8Array, query: QueryOptions) {
      return new Promise<void>((done, fail) => {
        query.signal?.addEventListener("abort", () => fail(query.signal!.reason as Error));
        const token = query.settings?.["insert_deduplication_token"];
        inserts.push({ text: Buffer.from(data).toString(), token, done, fail });
      });
    },
  } as unknown as Database;
  const writer = createBatchWriter(database, {
    table: "t",
    columns: ["a"],
    clock,
    random: () => 1,
    onError: (error, willRetry) => errors.push([error.code, willRetry]),
    ...options,
  });
  return { writer, clock, inserts, errors };
}

const row = (text: string): Uint8Array => Buffer.from(`${text}\n`);
const diskFull = (): DatabaseError => new DatabaseError("DB_DISK_FULL", "disk full", { retryable: true });
const badRow = (): DatabaseError => new DatabaseError("DB_WRITE_FAILED", "cannot parse", { engineCode: 27 });

describe("when a batch is sent", () => {
  test("appended rows wait for maxAgeMs from the first on", async () => {
    const { writer, clock, inserts } = setUp();
    writer.append(1, row("1"));
    await clock.advance(600);
    writer.append(1, row("2"));
    await clock.advance(399);
    expect(inserts).toHaveLength(0);
    await clock.advance(1);
    expect(inserts.map((insert) => insert.text)).toEqual(["1\n2\n"]);
    expect(writer.queuedRows).toBe(2);
    inserts[0].done();
    await clock.advance(0);
    expect(writer.queuedRows).toBe(0);
    expect(writer.queuedBytes).toBe(0);
  });

  test("a write takes what was appended before with it", async () => {
    const { writer, clock, inserts } = setUp();
    writer.append(1, row("1"));
    const written = writer.write(1, row("2"));
    await clock.advance(5);
    expect(inserts[0].text).toBe("1\n2\n");
    inserts[0].done();
    await expect(written).resolves.toBeUndefined();
  });

  test("full by rows or bytes: at once", async () => {
    const { writer, inserts } = setUp({ maxRows: 2, maxBytes: 100 });
    writer.append(1, row("1"));
    writer.append(1, row("2"));
    expect(inserts).toHaveLength(1);
    const wide = setUp({ maxBytes: 10 });
    wide.writer.append(1, row("123456"));
    wide.writer.append(1, row("123456"));
    expect(wide.inserts.map((insert) => insert.text)).toEqual(["123456\n"]);
  });

  test("one insert is in flight; what comes meanwhile is the next batch", async () => {
    const { writer, clock, inserts } = setUp();
    const first = writer.write(1, row("1"));
    await clock.advance(5);
    const rest = [writer.write(1, row("2")), writer.write(1, row("3"))];
    await clock.advance(1000);
    expect(inserts).toHaveLength(1);
    inserts[0].done();
    await first;
    await clock.advance(0);
    expect(inserts[1].text).toBe("2\n3\n");
    inserts[1].done();
    await Promise.all(rest);
    expect(writer.state()).toMatchObject({ batches: 2, writtenRows: 3, writtenBytes: 6 });
  });

  test("flush sends what is queued and resolves when it is durable", async () => {
    const { writer, clock, inserts } = setUp();
    await writer.flush();
    writer.append(1, row("1"));
    let flushed = false;
    const flushing = writer.flush().then(() => (flushed = true));
    await clock.advance(0);
    expect(inserts[0].text).toBe("1\n");
    expect(flushed).toBe(false);
    inserts[0].done();
    await flushing;
  });
});

describe("bounds", () => {
  test("a full queue refuses and counts", async () => {
    const { writer, clock, inserts } = setUp({ queueRows: 3 });
    writer.append(3, Buffer.from("1\n2\n3\n"));
    expect(() => writer.append(1, row("4"))).toThrow("the queue of t is full with 3 rows");
    await expect(writer.write(1, row("4"))).rejects.toMatchObject({ code: "OVERLOADED" });
    expect(writer.state().refusedRows).toBe(2);
    await clock.advance(1000);
    inserts[0].done();
    await clock.advance(0);
    writer.append(1, row("4"));
    expect(writer.queuedRows).toBe(1);
  });

  test("the bound is on bytes too, in flight included", async () => {
    const { writer, clock } = setUp({ queueBytes: 6 });
    writer.append(1, row("1234"));
    await clock.advance(1000);
    expect(() => writer.append(1, row("12"))).toThrow("full");
  });

  test("a single write larger than the queue is taken when nothing waits", () => {
    const { writer, inserts } = setUp({ queueRows: 1, maxRows: 2 });
    writer.append(5, Buffer.from("1\n2\n3\n4\n5\n"));
    expect(inserts).toHaveLength(1);
  });

  test("rows must be whole lines", () => {
    const { writer } = setUp();
    expect(() => writer.append(1, Buffer.from("1"))).toThrow("BUG: rows must be whole lines");
  });
});

describe("failures", () => {
  test("a retryable one is repeated with the same bytes and token, later each time", async () => {
    const { writer, clock, inserts, errors } = setUp();
    const written = writer.write(1, row("1"));
    await clock.advance(5);
    inserts[0].fail(diskFull());
    await clock.advance(99);
    expect(inserts).toHaveLength(1);
    expect(writer.state()).toMatchObject({ degraded: true, queuedRows: 1, lastErrorMs: 5 });
    expect(writer.state().lastError?.diskFull).toBe(true);
    await clock.advance(1);
    expect(inserts).toHaveLength(2);
    inserts[1].fail(diskFull());
    await clock.advance(199);
    expect(inserts).toHaveLength(2);
    await clock.advance(1);
    inserts[2].done();
    await written;
    expect(new Set(inserts.map((insert) => insert.token)).size).toBe(1);
    expect(new Set(inserts.map((insert) => insert.text))).toEqual(new Set(["1\n"]));
    expect(errors).toEqual([
      ["DB_DISK_FULL", true],
      ["DB_DISK_FULL", true],
    ]);
    expect(writer.state()).toMatchObject({ degraded: false, retries: 2, lostRows: 0, lastSuccessMs: 305 });
  });

  test("every batch has a token of its own", async () => {
    const { writer, clock, inserts } = setUp();
    for (const text of ["1", "2"]) {
      writer.append(1, row(text));
      await clock.advance(1000);
      inserts.at(-1)!.done();
      await clock.advance(0);
    }
    expect(inserts[0].token).not.toBe(inserts[1].token);
  });

  test("who awaits is told after writeTimeoutMs, and the rows are written all the same", async () => {
    const { writer, clock, inserts } = setUp({ writeTimeoutMs: 150 });
    const written = writer.write(1, row("1"));
    const outcome = expect(written).rejects.toMatchObject({ code: "DB_DISK_FULL" });
    await clock.advance(5);
    inserts[0].fail(diskFull());
    await clock.advance(150);
    await outcome;
    expect(inserts).toHaveLength(2);
    inserts[1].done();
    await clock.advance(0);
    expect(writer.state()).toMatchObject({ writtenRows: 1, queuedRows: 0 });
  });

  test("of a batch with a bad row only that row is lost", async () => {
    const { writer, clock, inserts } = setUp();
    const outcomes = ["1", "2", "x", "4"].map((text) =>
      writer.write(1, row(text)).then(
        () => "written",
        (error: DatabaseError) => error.code,
      ),
    );
    await clock.advance(5);
    for (let i = 0; i < inserts.length; i++) {
      if (inserts[i].text.includes("x")) inserts[i].fail(badRow());
      else inserts[i].done();
      await clock.advance(0);
    }
    expect(await Promise.all(outcomes)).toEqual(["written", "written", "DB_WRITE_FAILED", "written"]);
    expect(inserts.map((insert) => insert.text)).toEqual(["1\n2\nx\n4\n", "1\n2\n", "x\n4\n", "x\n", "4\n"]);
    expect(new Set(inserts.map((insert) => insert.token)).size).toBe(5);
    expect(writer.state()).toMatchObject({ lostRows: 1, writtenRows: 3, queuedRows: 0 });
  });

  test("an error that is not about the rows and not retryable gives the batch up", async () => {
    const { writer, clock, inserts } = setUp();
    writer.append(1, row("1"));
    const flushing = writer.flush();
    inserts[0].fail(new DatabaseError("DB_WRITE_FAILED", "no such table", { engineCode: 60 }));
    await expect(flushing).rejects.toThrow("no such table");
    writer.append(1, row("2"));
    await clock.advance(1000);
    expect(inserts[1].text).toBe("2\n");
  });
});

describe("close", () => {
  test("flushes, and refuses what comes after", async () => {
    const { writer, inserts } = setUp();
    writer.append(1, row("1"));
    const closing = writer.close();
    expect(() => writer.append(1, row("2"))).toThrow("the writer of t is closed");
    inserts[0].done();
    await closing;
  });

  test("does not wait out a backoff", async () => {
    const { writer, clock, inserts } = setUp();
    writer.append(1, row("1"));
    await clock.advance(1000);
    inserts[0].fail(diskFull());
    await clock.advance(0);
    const closing = writer.close();
    await settle();
    expect(inserts).toHaveLength(2);
    inserts[1].done();
    await closing;
  });

  test("gives up in time and says what was lost", async () => {
    const { writer, clock, inserts } = setUp();
    writer.append(2, Buffer.from("1\n2\n"));
    await clock.advance(1000);
    inserts[0].fail(diskFull());
    await clock.advance(0);
    await expect(writer.close(20)).rejects.toMatchObject({ code: "DB_DISK_FULL" });
    expect(writer.state()).toMatchObject({ lostRows: 2, queuedRows: 0 });
  });
});
