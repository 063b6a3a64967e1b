import { expect, test } from "vitest";
import { formatFloat, formatFloatShort } from "./index.ts";

test.each([
  [0, "0", "0"],
  [-0, "-0", "-0"],
  [1, "1", "1"],
  [-1.5, "-1.5", "-1.5"],
  [0.1, "0.1", "0.1"],
  [100_000, "100000", "100000"],
  [1_000_000, "1000000", "1e+06"],
  [1_234_567.8, "1234567.8", "1.2345678e+06"],
  [0.0001, "0.0001", "0.0001"],
  [0.00001, "0.00001", "1e-05"],
  [1.5e-7, "0.00000015", "1.5e-07"],
  [1e21, "1000000000000000000000", "1e+21"],
  [1.25e22, "12500000000000000000000", "1.25e+22"],
  [-5e-324, `-0.${"0".repeat(323)}5`, "-5e-324"],
  [Number.MAX_VALUE, `17976931348623157${"0".repeat(292)}`, "1.7976931348623157e+308"],
  [Infinity, "+Inf", "+Inf"],
  [-Infinity, "-Inf", "-Inf"],
  [NaN, "NaN", "NaN"],
])("%d", (value, long, short) => {
  expect(formatFloat(value)).toBe(long);
  expect(formatFloatShort(value)).toBe(short);
});

test("every form reads back as the same number", () => {
  const view = new DataView(new ArrayBuffer(8));
  let seed = 3;
  for (let i = 0; i < 5000; i++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    view.setUint32(0, seed);
    view.setUint32(4, Math.imul(seed, 2_654_435_761));
    const value = view.getFloat64(0);
    if (!Number.isFinite(value)) continue;
    expect(Number(formatFloat(value))).toBe(value);
    expect(Number(formatFloatShort(value))).toBe(value);
  }
});
