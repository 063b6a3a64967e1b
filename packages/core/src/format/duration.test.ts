import { describe, expect, test } from "vitest";
import { DurationError, formatDuration, parseDuration, parseSignedDuration } from "./index.ts";

describe("durations", () => {
  test.each([
    ["0", 0],
    ["0s", 0],
    ["15s", 15_000],
    ["1h30m", 5_400_000],
    ["1y2w3d4h5m6s7ms", 33_019_506_007],
    ["292y", 9_208_512_000_000],
    ["00090s", 90_000],
  ])("%s is read", (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });

  test.each([
    ["", "empty duration string"],
    ["15", 'not a valid duration string: "15"'],
    ["s", 'not a valid duration string: "s"'],
    ["-1s", 'not a valid duration string: "-1s"'],
    ["1.5h", 'unknown unit "." in duration "1.5h"'],
    ["1m1h", 'not a valid duration string: "1m1h"'],
    ["1s1s", 'not a valid duration string: "1s1s"'],
    ["1 s", 'unknown unit " s" in duration "1 s"'],
    ["5xyz", 'unknown unit "xyz" in duration "5xyz"'],
    ["1é", 'unknown unit "é" in duration "1é"'],
    ["293y", "duration out of range"],
    ["9223372036855ms", "duration out of range"],
    ["99999999999999999999s", 'not a valid duration string: "99999999999999999999s"'],
  ])("%j is refused", (text, message) => {
    expect(() => parseDuration(text)).toThrow(new DurationError(text, message));
  });

  test.each([
    [0, "0s"],
    [1, "1ms"],
    [0.9, "0s"],
    [1500, "1s500ms"],
    [90 * 86_400_000, "90d"],
    [14 * 86_400_000, "2w"],
    [365 * 86_400_000, "1y"],
    [366 * 86_400_000, "366d"],
    [5_400_000, "1h30m"],
    [-60_000, "-1m"],
  ])("%d ms is written %s", (ms, text) => {
    expect(formatDuration(ms)).toBe(text);
    if (Number.isInteger(ms)) expect(parseSignedDuration(text)).toBe(ms);
  });
});
