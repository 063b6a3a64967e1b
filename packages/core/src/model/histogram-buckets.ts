// Walking over buckets. A cursor stands on one bucket at a time and shows it in its own fields, so that a walk
// allocates one object, not one per bucket:
//
//   const bucket = allBuckets(h);
//   while (bucket.next()) total += bucket.count;
//
// "All" walks go through negative, zero and positive buckets in the order of their values (or the reverse), and cut
// the innermost buckets where the zero bucket overlaps them.
import { CUSTOM_BUCKETS_SCHEMA, type Histogram, type Span } from "./histogram.ts";
import { bucketBound } from "./histogram-bounds.ts";

/** Bucket is a bucket with its bounds and absolute count. `index` is meaningless for the zero bucket. */
export interface Bucket {
  lower: number;
  upper: number;
  lowerInclusive: boolean;
  upperInclusive: boolean;
  count: number;
  index: number;
}

/** BucketCursor walks over buckets; its fields are those of the current bucket and are overwritten by the next step. */
export interface BucketCursor extends Bucket {
  /** next steps to the next bucket and tells whether there is one. */
  next(): boolean;
}

class SideCursor implements BucketCursor {
  lower = 0;
  upper = 0;
  lowerInclusive = false;
  upperInclusive = false;
  count = 0;
  index = 0;
  /** position is the place of the current bucket among the side's buckets. */
  position: number;
  private readonly spans: readonly Span[];
  private readonly buckets: Float64Array;
  private readonly schema: number;
  private readonly customValues: Float64Array | undefined;
  private readonly positive: boolean;
  private readonly reverse: boolean;
  private span: number;
  private leftInSpan: number;

  constructor(h: Histogram, positive: boolean, reverse: boolean) {
    this.spans = positive ? h.positiveSpans : h.negativeSpans;
    this.buckets = positive ? h.positiveBuckets : h.negativeBuckets;
    this.schema = h.schema;
    this.customValues = h.customValues;
    this.positive = positive;
    this.reverse = reverse;
    const spans = this.spans;
    if (reverse) {
      this.position = this.buckets.length;
      this.span = spans.length;
      let end = 0;
      for (let s = 0; s < spans.length; s++) end += spans[s].offset + spans[s].length;
      this.index = end;
    } else {
      this.position = -1;
      this.span = -1;
      this.index = -1;
    }
    this.leftInSpan = 0;
  }

  next(): boolean {
    const spans = this.spans;
    if (this.reverse) {
      if (this.position <= 0) return false;
      while (this.leftInSpan === 0) {
        if (this.span <= 0) return false;
        if (this.span < spans.length) this.index -= spans[this.span].offset;
        this.span--;
        this.leftInSpan = spans[this.span].length;
      }
      this.index--;
      this.position--;
    } else {
      if (this.position + 1 >= this.buckets.length) return false;
      this.index++;
      while (this.leftInSpan === 0) {
        if (this.span + 1 >= spans.length) return false;
        this.span++;
        this.index += spans[this.span].offset;
        this.leftInSpan = spans[this.span].length;
      }
      this.position++;
    }
    this.leftInSpan--;
    this.count = this.buckets[this.position];
    this.setBounds();
    return true;
  }

  private setBounds(): void {
    const outer = bucketBound(this.index, this.schema, this.customValues);
    const inner = bucketBound(this.index - 1, this.schema, this.customValues);
    if (this.positive) {
      this.lower = inner;
      this.upper = outer;
    } else {
      this.lower = -outer;
      this.upper = -inner;
    }
    if (this.schema === CUSTOM_BUCKETS_SCHEMA) {
      this.lowerInclusive = this.index === 0;
      this.upperInclusive = true;
    } else {
      this.lowerInclusive = this.lower < 0;
      this.upperInclusive = this.upper > 0;
    }
  }
}

class AllCursor implements BucketCursor {
  lower = 0;
  upper = 0;
  lowerInclusive = false;
  upperInclusive = false;
  count = 0;
  index = 0;
  private readonly h: Histogram;
  private readonly first: SideCursor;
  private readonly second: SideCursor;
  private part: 0 | 1 | 2 = 0;

  constructor(h: Histogram, reverse: boolean) {
    this.h = h;
    this.first = new SideCursor(h, reverse, true);
    this.second = new SideCursor(h, !reverse, false);
  }

  next(): boolean {
    if (this.part === 0) {
      if (this.first.next()) return this.show(this.first);
      this.part = 1;
    }
    if (this.part === 1) {
      this.part = 2;
      if (this.h.zeroCount > 0) {
        this.lower = -this.h.zeroThreshold;
        this.upper = this.h.zeroThreshold;
        this.lowerInclusive = true;
        this.upperInclusive = true;
        this.count = this.h.zeroCount;
        this.index = 0;
        return true;
      }
    }
    return this.second.next() && this.show(this.second);
  }

  private show(side: SideCursor): true {
    const zero = this.h.zeroThreshold;
    this.lower = side.lower > 0 && side.lower < zero ? zero : side.lower;
    this.upper = side.upper < 0 && side.upper > -zero ? -zero : side.upper;
    this.lowerInclusive = side.lowerInclusive;
    this.upperInclusive = side.upperInclusive;
    this.count = side.count;
    this.index = side.index;
    return true;
  }
}

/** allBuckets walks negative, zero and positive buckets in ascending order; the zero bucket only when it is populated. */
export function allBuckets(h: Histogram): BucketCursor {
  return new AllCursor(h, false);
}

/** allBucketsReverse is allBuckets in descending order. */
export function allBucketsReverse(h: Histogram): BucketCursor {
  return new AllCursor(h, true);
}

/** positiveBuckets walks the positive buckets away from zero; `position` is the place in `h.positiveBuckets`. */
export function positiveBuckets(h: Histogram): BucketCursor & { readonly position: number } {
  return new SideCursor(h, true, false);
}

/** negativeBuckets walks the negative buckets away from zero; `position` is the place in `h.negativeBuckets`. */
export function negativeBuckets(h: Histogram): BucketCursor & { readonly position: number } {
  return new SideCursor(h, false, false);
}

/** positiveBucketsReverse walks the positive buckets towards zero. */
export function positiveBucketsReverse(h: Histogram): BucketCursor {
  return new SideCursor(h, true, true);
}

/** negativeBucketsReverse walks the negative buckets towards zero. */
export function negativeBucketsReverse(h: Histogram): BucketCursor {
  return new SideCursor(h, false, true);
}
