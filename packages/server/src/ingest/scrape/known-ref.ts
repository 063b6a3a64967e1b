import { Labels } from "@belfry/core/model";

/** UnknownRefError is thrown by REF_IS_KNOWN when a store looks at the labels of a ref it should know. */
export class UnknownRefError extends Error {
  constructor() {
    super("BUG: labels were asked for that only the scrape can make again");
    this.name = "UnknownRefError";
  }
}

// With a known ref a store does not look at the labels, so none are kept for the tens of thousands of series of a
// target: they are made anew from the exposed line in the rare case that the store has forgotten the series.
class KnownRefLabels extends Labels {
  constructor() {
    super([]);
    Object.defineProperty(this, "pairs", {
      get: (): never => {
        throw new UnknownRefError();
      },
    });
  }

  override get key(): string {
    throw new UnknownRefError();
  }
}

/** REF_IS_KNOWN stands for the labels of a series whose ref is passed; reading them throws UnknownRefError. */
export const REF_IS_KNOWN: Labels = new KnownRefLabels();
