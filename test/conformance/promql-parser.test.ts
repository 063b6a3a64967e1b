import { parser as editorParser } from "@prometheus-io/lezer-promql";
import { AGGREGATIONS, FUNCTIONS, OPERATORS } from "@belfry/core/promql";
import { describe, expect, test } from "vitest";
import { hasConformance, readConformance } from "./data.ts";
import { suite, validQueries } from "./promql-parser-suite.ts";

/** REFUSED_BY_EDITOR are the valid queries that the grammar of the editor does not know and underlines as wrong. */
const REFUSED_BY_EDITOR = ["5.", 'offset{step="1s"}[5m]', "foo @ 3."];

describe.skipIf(!hasConformance(suite.data))("the PromQL parser agrees with Prometheus", () => {
  test("in validity, errors, positions and printing, case by case", async () => {
    const rows = await suite.run({ filter: "" });
    expect(rows.flatMap((row) => row.failures)).toEqual([]);
    expect(rows.every((row) => row.passed > 100)).toBe(true);
  });

  test("and the editor's grammar accepts all valid queries but a few", () => {
    const refused = validQueries().filter((query) => {
      let wrong = false;
      editorParser.parse(query).iterate({
        enter(node) {
          if (node.type.isError) wrong = true;
        },
      });
      return wrong;
    });
    expect(refused).toEqual(REFUSED_BY_EDITOR);
  });
});

const FEATURES = "prometheus/prometheus_features/features.json";

describe.skipIf(!hasConformance(FEATURES))("the tables agree with what Prometheus says of itself", () => {
  const features = (): Record<string, Record<string, boolean>> => JSON.parse(readConformance(FEATURES));

  test("functions, and which are experimental", () => {
    const ours = [...FUNCTIONS.values()].map(({ name, experimental }) => [name, !experimental]);
    expect(Object.fromEntries(ours)).toEqual(features()["promql_functions"]);
  });

  test("aggregations and operators", () => {
    const ours = [
      ...AGGREGATIONS.map(({ name, experimental }) => [name, !experimental]),
      ...[...OPERATORS.flat(), "=~", "!~", "@"].map((name) => [name, true]),
    ];
    expect(Object.fromEntries(ours)).toEqual(features()["promql_operators"]);
  });
});
