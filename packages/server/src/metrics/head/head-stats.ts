/** HeadStats are the head's own counters, plain numbers that a metrics registry reads. All but the gauges only grow. */
export interface HeadStats {
  samplesAppended: number;
  histogramsAppended: number;
  exemplarsAppended: number;
  outOfOrderAccepted: number;
  rejectedOutOfOrder: number;
  rejectedDuplicate: number;
  rejectedOutOfBounds: number;
  rejectedTooOld: number;
  rejectedTooFarInFuture: number;
  rejectedSeriesLimit: number;
  rejectedExemplars: number;
  seriesCreated: number;
  seriesRemoved: number;
  chunksCreated: number;
  chunksRemoved: number;
  maintenanceRuns: number;
  windowShrinks: number;
  /** series, chunks, bytes and times are gauges. */
  series: number;
  chunks: number;
  usedBytes: number;
  allocatedBytes: number;
  budgetBytes: number;
  /** windowMs is the window kept at present, at most the configured one. */
  windowMs: number;
  /** floorMs is the time from which on the head has every sample, -Infinity when it has all there are. */
  floorMs: number;
  minTimeMs: number;
  maxTimeMs: number;
  /** refusingSeries is true while new series are refused. */
  refusingSeries: boolean;
}

/** newHeadStats returns zeros. */
export function newHeadStats(budgetBytes: number, windowMs: number): HeadStats {
  return {
    samplesAppended: 0,
    histogramsAppended: 0,
    exemplarsAppended: 0,
    outOfOrderAccepted: 0,
    rejectedOutOfOrder: 0,
    rejectedDuplicate: 0,
    rejectedOutOfBounds: 0,
    rejectedTooOld: 0,
    rejectedTooFarInFuture: 0,
    rejectedSeriesLimit: 0,
    rejectedExemplars: 0,
    seriesCreated: 0,
    seriesRemoved: 0,
    chunksCreated: 0,
    chunksRemoved: 0,
    maintenanceRuns: 0,
    windowShrinks: 0,
    series: 0,
    chunks: 0,
    usedBytes: 0,
    allocatedBytes: 0,
    budgetBytes,
    windowMs,
    floorMs: -Infinity,
    minTimeMs: Infinity,
    maxTimeMs: -Infinity,
    refusingSeries: false,
  };
}
