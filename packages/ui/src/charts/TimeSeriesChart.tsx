import { useComputedColorScheme } from "@mantine/core";
import { useEffect, useRef } from "react";
import uPlot from "uplot";
import type { RangeResult } from "../api/prometheus.ts";
import { formatShort, seriesName } from "./format.ts";

/** TimeSeriesChartProps: columns in, selections out; the chart never fetches. */
export interface TimeSeriesChartProps {
  result: RangeResult;
  colors: readonly string[];
  hidden: ReadonlySet<number>;
  height: number;
  /** onZoom is called with Unix seconds when a range is dragged. */
  onZoom(start: number, end: number): void;
}

/** TimeSeriesChart draws lines with uPlot; the nearest series is named next to the pointer. */
export function TimeSeriesChart({ result, colors, hidden, height, onZoom }: TimeSeriesChartProps) {
  const host = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme("light");

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const line = scheme === "dark" ? "#2b2f36" : "#e3e6ea";
    const text = scheme === "dark" ? "#98a2ad" : "#5c6670";
    const axis = {
      stroke: text,
      grid: { stroke: line, width: 1 },
      ticks: { stroke: line, width: 1 },
      font: "12px Inter, system-ui",
    };
    const tooltip = document.createElement("div");
    tooltip.className = "chart-tooltip panel";
    const chart = new uPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: { drag: { x: true, y: false, setScale: false }, focus: { prox: 24 }, points: { size: 6 } },
        focus: { alpha: 0.35 },
        scales: { x: { time: true }, y: { range: (_chart, min, max) => yRange(min, max) } },
        axes: [axis, { ...axis, size: 56, values: (_chart, splits) => splits.map((value) => formatShort(value)) }],
        series: [
          {},
          ...result.series.map((series, i) => ({
            label: seriesName(series.labels),
            stroke: colors[i]!,
            width: 1.5,
            spanGaps: false,
            show: !hidden.has(i),
            points: { show: isolated(series.values) },
          })),
        ],
        hooks: {
          init: [(self) => self.over.append(tooltip)],
          setSelect: [
            (self) => {
              if (self.select.width < 4) return;
              onZoom(self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x"));
            },
          ],
          setCursor: [(self) => showTooltip(self, tooltip, result, colors)],
        },
      },
      [result.times, ...result.series.map((series) => series.values.map(finite))],
      element,
    );
    const observer = new ResizeObserver(() => chart.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [result, colors, hidden, height, scheme, onZoom]);

  const shown = result.series.length - hidden.size;
  return (
    <div
      ref={host}
      role="img"
      aria-label={`Graph with ${shown} series`}
      style={{ width: "100%", height, overflow: "hidden" }}
    />
  );
}

// A lone value between gaps would be invisible as a line.
function isolated(values: readonly (number | null)[]): boolean {
  let points = 0;
  for (const value of values) if (value !== null) points++;
  return points === 1;
}

function finite(value: number | null): number | null {
  return value !== null && Number.isFinite(value) ? value : null;
}

function yRange(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  if (min === max) return min === 0 ? [0, 1] : [Math.min(0, min * 1.1), Math.max(0, max * 1.1)];
  const padding = (max - min) * 0.06;
  const low = min >= 0 && min < max * 0.5 ? 0 : min - padding;
  return [low, max + padding];
}

function showTooltip(chart: uPlot, tooltip: HTMLElement, result: RangeResult, colors: readonly string[]): void {
  const index = chart.cursor.idx;
  const left = chart.cursor.left ?? -1;
  if (index === null || index === undefined || left < 0) {
    tooltip.style.display = "none";
    return;
  }
  const pointer = chart.cursor.top ?? 0;
  const rows: { name: string; color: string; value: number; distance: number }[] = [];
  for (let i = 0; i < result.series.length; i++) {
    if (!chart.series[i + 1]!.show) continue;
    const value = result.series[i]!.values[index];
    if (value === null || value === undefined) continue;
    const distance = Math.abs(chart.valToPos(value, "y") - pointer);
    rows.push({ name: seriesName(result.series[i]!.labels), color: colors[i]!, value, distance });
  }
  if (rows.length === 0) {
    tooltip.style.display = "none";
    return;
  }
  // Few series: all, highest first. Many: those next to the pointer.
  rows.sort((a, b) => a.distance - b.distance);
  const nearest = rows.slice(0, 8);
  const closest = nearest[0]!;
  nearest.sort((a, b) => b.value - a.value);
  tooltip.replaceChildren();
  const time = document.createElement("div");
  time.className = "dim";
  time.textContent = new Date(result.times[index]! * 1000).toLocaleString();
  tooltip.append(time);
  for (const row of nearest) {
    const element = document.createElement("div");
    element.className = "chart-tooltip-row";
    if (row === closest) element.style.fontWeight = "600";
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = row.color;
    const name = document.createElement("span");
    name.className = "chart-tooltip-name";
    name.textContent = row.name;
    const value = document.createElement("span");
    value.textContent = formatShort(row.value);
    element.append(swatch, name, value);
    tooltip.append(element);
  }
  if (rows.length > nearest.length) {
    const more = document.createElement("div");
    more.className = "dim";
    more.textContent = `and ${rows.length - nearest.length} more`;
    tooltip.append(more);
  }
  tooltip.style.display = "block";
  const flip = left > chart.over.clientWidth / 2;
  tooltip.style.left = flip ? "auto" : `${left + 16}px`;
  tooltip.style.right = flip ? `${chart.over.clientWidth - left + 16}px` : "auto";
  tooltip.style.top = "8px";
}
