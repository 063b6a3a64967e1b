// `belfry rollback`: back to the snapshot taken before the last upgrade.
import { rollback } from "../database/index.ts";
import type { Output } from "./cli.ts";
import type { Flags } from "./flags.ts";

/** rollbackCommand restores the snapshot and says what it did. */
export function rollbackCommand(flags: Flags, output: Output): Promise<number> {
  const result = rollback(flags.string("storage.path"));
  output.out(
    `restored snapshot ${result.snapshot}: schema ${result.fromSchema} -> ${result.toSchema}\n` +
      `what was there before is in ${result.replaced}\n`,
  );
  return Promise.resolve(0);
}
