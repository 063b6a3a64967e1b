import { describe, expect, test } from "vitest";
import { Pool } from "./connection-pool.ts";

function numbered(size: number, maxWaiting = 10): Pool<{ n: number }> {
  let n = 0;
  return new Pool({ size, maxWaiting, open: () => ({ n: ++n }) });
}

describe("Pool", () => {
  test("opens when needed and hands out what is free", async () => {
    const pool = numbered(2);
    const a = await pool.acquire(1000, undefined);
    pool.release(a);
    expect(await pool.acquire(1000, undefined)).toBe(a);
    expect((await pool.acquire(1000, undefined)).n).toBe(2);
    expect(pool.busy).toBe(2);
  });

  test("serves those who wait in their order", async () => {
    const pool = numbered(1);
    const a = await pool.acquire(1000, undefined);
    const order: string[] = [];
    const first = pool.acquire(1000, undefined).then((item) => (order.push("first"), item));
    const second = pool.acquire(1000, undefined).then((item) => (order.push("second"), item));
    pool.release(a);
    pool.release(await first);
    await second;
    expect(order).toEqual(["first", "second"]);
  });

  test("a wait ends by time, by its signal, or because the line is full", async () => {
    const pool = numbered(1, 1);
    await pool.acquire(1000, undefined);
    await expect(pool.acquire(20, undefined)).rejects.toMatchObject({ code: "DB_TIMEOUT", retryable: true });
    const controller = new AbortController();
    const waiting = pool.acquire(1000, controller.signal);
    await expect(pool.acquire(1000, undefined)).rejects.toMatchObject({ code: "DB_BUSY" });
    controller.abort(new Error("gone"));
    await expect(waiting).rejects.toThrow("gone");
    await expect(pool.acquire(20, controller.signal)).rejects.toThrow("gone");
  });

  test("close refuses who waits and waits for who works", async () => {
    const pool = numbered(1);
    const a = await pool.acquire(1000, undefined);
    const waiting = pool.acquire(1000, undefined);
    let closed = false;
    const closing = pool.close().then((items) => ((closed = true), items));
    await expect(waiting).rejects.toMatchObject({ code: "DB_CLOSED" });
    await expect(pool.acquire(1000, undefined)).rejects.toMatchObject({ code: "DB_CLOSED" });
    expect(closed).toBe(false);
    pool.release(a);
    expect(await closing).toEqual([a]);
  });

  test("an item that cannot be opened does not take a place", async () => {
    let fail = true;
    const pool = new Pool({
      size: 1,
      maxWaiting: 1,
      open: () => {
        if (fail) throw new Error("no");
        return 1;
      },
    });
    await expect(pool.acquire(10, undefined)).rejects.toThrow("no");
    fail = false;
    expect(await pool.acquire(10, undefined)).toBe(1);
  });
});
