import { readFileSync } from "node:fs";

const AT_PAGESZ = 6n;

/** pageSizeBytes is the kernel's page size, which it tells every process in its auxiliary vector. */
export const pageSizeBytes: number = readPageSize();

function readPageSize(): number {
  try {
    const vector = readFileSync("/proc/self/auxv");
    for (let at = 0; at + 16 <= vector.length; at += 16) {
      if (vector.readBigUInt64LE(at) === AT_PAGESZ) return Number(vector.readBigUInt64LE(at + 8));
    }
  } catch {
    // Not Linux, or /proc is hidden.
  }
  return 4096;
}
