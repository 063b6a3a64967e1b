export { type Appendable, type Appender, AppendFailure, type AppendOptions, type SeriesRef } from "./appender.ts";
export type {
  ExemplarQueryable,
  MetadataQueryable,
  MetadataSource,
  Queryable,
  QueryContext,
  SampleBudget,
  SelectedSeries,
  SelectHints,
  SeriesSet,
} from "./queryable.ts";
export type {
  MetricStore,
  MetricStoreOptions,
  MetricStoreStats,
  MetricWriters,
  RebuildStatus,
  TsdbStats,
} from "./metric-store.ts";
export type { HeadStats } from "./head/head-stats.ts";
export type { LabelCount } from "./head/label-index.ts";
export { openMetricStore } from "./open-store.ts";
