// The memory of a process under test, as Linux accounts for it.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/** canReadMemory tells whether the memory of other processes can be read here. */
export const canReadMemory = existsSync("/proc/self/status");

/** residentBytes is the memory that a process holds now. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** peakBytes is the most memory that a process has held since its start or since forgetPeak. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

/** forgetPeak lets the peak begin anew. */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, "5");
}

function statusBytes(pid: number, field: string): number {
  const found = new RegExp(`^${field}:\\s*(\\d+) kB$`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (!found) throw new Error(`no ${field} for process ${pid}`);
  return Number(found[1]) * 1024;
}
