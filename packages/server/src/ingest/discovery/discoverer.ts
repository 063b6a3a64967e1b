import type { TargetGroup } from "./target-group.ts";

/** Emit hands over groups: those that are new or have changed; a group without targets replaces its source's targets by none. */
export type Emit = (groups: readonly TargetGroup[]) => void;

/** Discoverer finds targets until the signal aborts. It does not reject: what fails is counted, logged and tried again, and old targets stay. */
export interface Discoverer {
  run(emit: Emit, signal: AbortSignal): Promise<void>;
}
