import { expect, test } from "vitest";
import { jaroWinklerScorer, subsequenceScorer } from "./fuzzy.ts";

test("a subsequence must appear in order", () => {
  const score = subsequenceScorer("httpreq");
  expect(score("http_requests_total")).toBeGreaterThan(0);
  expect(score("http_response_total")).toBe(0);
  expect(subsequenceScorer("ba")("abc")).toBe(0);
});

test("a prefix and the empty term score 1, runs score above scattered characters", () => {
  expect(subsequenceScorer("node_cpu")("node_cpu_seconds_total")).toBe(1);
  expect(subsequenceScorer("")("anything")).toBe(1);
  const score = subsequenceScorer("cpu");
  expect(score("node_cpu_seconds")).toBeGreaterThan(score("node_c_p_u_seconds"));
});

test("Jaro-Winkler matches the published values", () => {
  // Winkler 1990: MARTHA/MARHTA 0.9611, DWAYNE/DUANE 0.84, DIXON/DICKSONX 0.8133.
  expect(jaroWinklerScorer("MARTHA")("MARHTA")).toBeCloseTo(0.9611, 4);
  expect(jaroWinklerScorer("DWAYNE")("DUANE")).toBeCloseTo(0.84, 4);
  expect(jaroWinklerScorer("DIXON")("DICKSONX")).toBeCloseTo(0.8133, 4);
  expect(jaroWinklerScorer("cpu")("node_cpu")).toBe(0.9);
});
