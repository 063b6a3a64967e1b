// Postings are sorted lists of series slots. Slots of removed series are used again, so a new series is not
// always the largest: a list keeps a sorted part and a short unsorted tail that is merged in when it is read.

/** Postings is one growable list of distinct slots. */
export class Postings {
  private slots: Uint32Array;
  private count = 0;
  private sorted = 0;

  constructor(capacity = 4) {
    this.slots = new Uint32Array(capacity);
  }

  get length(): number {
    return this.count;
  }

  get sizeBytes(): number {
    // The typed array and this object take about 200 bytes besides the content.
    return 200 + this.slots.byteLength;
  }

  /** add appends a slot that is not in the list. */
  add(slot: number): void {
    if (this.count === this.slots.length) {
      const slots = new Uint32Array(this.count + Math.max(4, this.count >>> 1));
      slots.set(this.slots);
      this.slots = slots;
    }
    if (this.sorted === this.count && (this.count === 0 || this.slots[this.count - 1]! < slot)) this.sorted++;
    this.slots[this.count++] = slot;
  }

  /** removeMarked drops the slots whose mark is set. */
  removeMarked(marks: Uint8Array): void {
    this.sort();
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      const slot = this.slots[i]!;
      if (marks[slot] === 0) this.slots[kept++] = slot;
    }
    this.count = kept;
    this.sorted = kept;
    if (this.slots.length > 64 && kept < this.slots.length >>> 2) this.slots = this.slots.slice(0, kept);
  }

  /** list returns the slots in ascending order; a view that is valid until the list changes. */
  list(): Uint32Array {
    this.sort();
    return this.slots.subarray(0, this.count);
  }

  private sort(): void {
    if (this.sorted === this.count) return;
    const tail = this.slots.slice(this.sorted, this.count).sort();
    // Merge from the end, in place.
    let i = this.sorted - 1;
    let j = tail.length - 1;
    for (let out = this.count - 1; j >= 0; out--) {
      if (i >= 0 && this.slots[i]! > tail[j]!) this.slots[out] = this.slots[i--]!;
      else this.slots[out] = tail[j--]!;
    }
    this.sorted = this.count;
  }
}

/** intersect returns the slots that are in both sorted lists. */
export function intersect(a: Uint32Array, b: Uint32Array): Uint32Array {
  if (a.length > b.length) [a, b] = [b, a];
  const out = new Uint32Array(a.length);
  let count = 0;
  if (a.length * 16 < b.length) {
    // Much shorter: look each one up.
    let from = 0;
    for (let i = 0; i < a.length; i++) {
      const slot = a[i]!;
      let to = b.length;
      while (from < to) {
        const middle = (from + to) >>> 1;
        if (b[middle]! < slot) from = middle + 1;
        else to = middle;
      }
      if (from < b.length && b[from] === slot) out[count++] = slot;
    }
    return out.subarray(0, count);
  }
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const x = a[i]!;
    const y = b[j]!;
    if (x === y) {
      out[count++] = x;
      i++;
      j++;
    } else if (x < y) i++;
    else j++;
  }
  return out.subarray(0, count);
}

/** subtract returns the slots of `a` that are not in `b`; both sorted. */
export function subtract(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length);
  let count = 0;
  for (let i = 0, j = 0; i < a.length; i++) {
    const slot = a[i]!;
    while (j < b.length && b[j]! < slot) j++;
    if (j >= b.length || b[j] !== slot) out[count++] = slot;
  }
  return out.subarray(0, count);
}
