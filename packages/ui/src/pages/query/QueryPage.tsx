import { Button, Group, SegmentedControl, Stack, Tabs, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate, useSearch } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useState } from "react";
import { queryInstant, queryRange } from "../../api/prometheus.ts";
import { formatRange } from "../../charts/format.ts";
import { ErrorState, LoadingState } from "../../components/States.tsx";
import type { QuerySearch } from "../../state/query-search.ts";
import { Examples } from "./Examples.tsx";
import { GraphView } from "./GraphView.tsx";
import { TableView } from "./TableView.tsx";

const PromqlEditor = lazy(() => import("../../components/PromqlEditor.tsx"));

const RANGES = ["300", "900", "3600", "21600", "86400", "604800"];
const GRAPH_HEIGHT = 340;
// Following the present, the graph moves on this often.
const REFRESH_MS = 5000;
// More points than this many per series are not visible on any screen.
const TARGET_POINTS = 300;

/** QueryPage: an expression, its graph and its table. */
export function QueryPage() {
  const search = useSearch({ from: "/" });
  const navigate = useNavigate({ from: "/" });
  // What is being typed belongs to the expression it started from; another expression in the URL replaces it.
  const [typed, setTyped] = useState({ base: search.expr, text: search.expr });
  const draft = typed.base === search.expr ? typed.text : search.expr;
  const setDraft = useCallback((text: string) => setTyped({ base: search.expr, text }), [search.expr]);

  const update = useCallback(
    (change: Partial<QuerySearch>) => void navigate({ search: (previous) => ({ ...previous, ...change }) }),
    [navigate],
  );
  const run = useCallback((expr: string) => update({ expr: expr.trim() }), [update]);
  const zoom = useCallback(
    (start: number, end: number) => update({ range: Math.max(1, Math.round(end - start)), end: Math.round(end) }),
    [update],
  );

  const following = search.end === undefined;
  const step = Math.max(1, Math.ceil(search.range / TARGET_POINTS));
  const graph = useQuery({
    queryKey: ["query_range", search.expr, search.range, search.end],
    queryFn: ({ signal }) => {
      // Steps lie on multiples of themselves, so that a moving graph does not flicker.
      const end = Math.floor((search.end ?? Date.now() / 1000) / step) * step;
      return queryRange(search.expr, end - Math.ceil(search.range / step) * step, end, step, signal);
    },
    enabled: search.expr !== "" && search.tab === "graph",
    refetchInterval: following ? REFRESH_MS : false,
    placeholderData: keepPreviousData,
  });
  const table = useQuery({
    queryKey: ["query", search.expr, search.end],
    queryFn: ({ signal }) => queryInstant(search.expr, search.end, signal),
    enabled: search.expr !== "" && search.tab === "table",
    refetchInterval: following ? REFRESH_MS : false,
    placeholderData: keepPreviousData,
  });
  const active = search.tab === "graph" ? graph : table;

  return (
    <Stack gap="sm">
      <Group gap="xs" align="flex-start" wrap="nowrap">
        <div className="panel query-box">
          <Suspense fallback={<span className="mono dim">{draft}</span>}>
            <PromqlEditor value={draft} onRun={run} onChange={setDraft} />
          </Suspense>
        </div>
        <Button h={38} onClick={() => run(draft)}>
          Run
        </Button>
      </Group>
      <Examples onPick={run} current={search.expr} />
      <div className="panel" style={{ padding: "8px 12px 12px" }}>
        <Tabs value={search.tab} onChange={(tab) => update({ tab: tab === "table" ? "table" : "graph" })}>
          <Group justify="space-between" align="center" mb="xs">
            <Tabs.List>
              <Tabs.Tab value="graph">Graph</Tabs.Tab>
              <Tabs.Tab value="table">Table</Tabs.Tab>
            </Tabs.List>
            <Group gap="xs">
              {!following && (
                <Button size="compact-xs" variant="subtle" onClick={() => update({ end: undefined })}>
                  Back to now
                </Button>
              )}
              {search.tab === "graph" && (
                <SegmentedControl
                  size="xs"
                  aria-label="Range"
                  value={String(search.range)}
                  onChange={(range) => update({ range: Number(range) })}
                  data={[...new Set([...RANGES, String(search.range)])]
                    .sort((a, b) => Number(a) - Number(b))
                    .map((value) => ({ value, label: formatRange(Number(value)) }))}
                />
              )}
            </Group>
          </Group>
          {active.isError && <ErrorState title="This query has no answer" error={active.error} />}
          {!active.isError && active.isPending && search.expr !== "" && <LoadingState height={GRAPH_HEIGHT} />}
          {!active.isError && search.tab === "graph" && graph.data && (
            <GraphView result={graph.data} height={GRAPH_HEIGHT} onZoom={zoom} />
          )}
          {!active.isError && search.tab === "table" && table.data && <TableView result={table.data} />}
          {search.expr === "" && <Text className="dim">Type an expression, or pick one of the examples above.</Text>}
        </Tabs>
      </div>
    </Stack>
  );
}
