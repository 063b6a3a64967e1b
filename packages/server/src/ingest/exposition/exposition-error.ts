import { AppError } from "../../lib/errors.ts";

/** ExpositionError says why a scraped body cannot be read. `message` is upstream's wording; `line` counts from 1, 0 where no line can be named. */
export class ExpositionError extends AppError {
  readonly line: number;
  constructor(message: string, line: number) {
    super("BAD_EXPOSITION", message);
    this.line = line;
  }
}
