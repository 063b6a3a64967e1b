import { describe, expect, test } from "vitest";
import { DatabaseError, shortenStatement, toDatabaseError } from "./errors.ts";

const reading = { action: "read", statement: "SELECT 1", write: false };
const writing = { action: "insert", statement: "INSERT", table: "t", write: true };

describe("toDatabaseError", () => {
  test("takes code and name out of the engine's text", () => {
    const cause = new Error(
      "Code: 241. DB::Exception: (total) memory limit exceeded: would use 1 GiB. (MEMORY_LIMIT_EXCEEDED)",
    );
    const error = toDatabaseError(cause, reading);
    expect(error).toMatchObject({
      name: "DatabaseError",
      code: "DB_MEMORY_LIMIT",
      message: "could not read: (total) memory limit exceeded: would use 1 GiB. (MEMORY_LIMIT_EXCEEDED)",
      engineCode: 241,
      engineName: "MEMORY_LIMIT_EXCEEDED",
      statement: "SELECT 1",
      retryable: true,
      diskFull: false,
    });
  });

  test("says what the engine says twice once", () => {
    const text = "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)";
    const cause = new Error(`Code: 243. ${text} (version 26.7.2.1). (NOT_ENOUGH_SPACE)`);
    expect(toDatabaseError(cause, writing).message).toBe(
      "could not insert: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
    );
  });

  test("takes them from the fields of the HTTP client", () => {
    const cause = Object.assign(new Error("Table default.x does not exist."), { code: "60", type: "UNKNOWN_TABLE" });
    expect(toDatabaseError(cause, writing)).toMatchObject({
      code: "DB_WRITE_FAILED",
      engineCode: 60,
      engineName: "UNKNOWN_TABLE",
      table: "t",
      retryable: false,
    });
  });

  test.each([
    "Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)",
    "Code: 75. DB::Exception: Cannot write to file: , errno: 28, strerror: No space left on device. (CANNOT_WRITE_TO_FILE_DESCRIPTOR)",
    'Code: 1001. DB::Exception: std::__1::__fs::filesystem::filesystem_error: ["/d"] [No space left on device]. (STD_EXCEPTION)',
  ])("a full disk: %s", (text) => {
    expect(toDatabaseError(new Error(text), writing)).toMatchObject({
      code: "DB_DISK_FULL",
      diskFull: true,
      retryable: true,
    });
  });

  test("a server that cannot be reached", () => {
    const cause = Object.assign(new Error("connect ECONNREFUSED 127.0.0.1:1"), { code: "ECONNREFUSED" });
    expect(toDatabaseError(cause, reading)).toMatchObject({ code: "DB_UNAVAILABLE", retryable: true });
  });

  test("keeps no secret and no long text", () => {
    const cause = new Error(`cannot reach http://user:hunter2@host:8123/?password=hunter2 ${"x".repeat(2000)}`);
    const error = toDatabaseError(cause, reading);
    expect(error.message).not.toContain("hunter2");
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("hunter2");
    expect(error.message.length).toBeLessThan(700);
    expect((error.cause as Error).message).not.toContain("hunter2");
  });

  test("passes a DatabaseError through", () => {
    const error = new DatabaseError("DB_CLOSED", "closed");
    expect(toDatabaseError(error, reading)).toBe(error);
  });
});

test("statements are put on one line and cut", () => {
  expect(shortenStatement("SELECT\n  1,\n\t2")).toBe("SELECT 1, 2");
  expect(shortenStatement("x".repeat(400))).toBe(`${"x".repeat(297)}...`);
});
