// A slab pool hands out fixed-size blocks of CHUNK_SAMPLES numbers of one width. A typed array per chunk would
// cost about 200 bytes of object headers for 120 bytes of deltas, and a million objects for the garbage
// collector to trace; here a block is a number, and the arrays are few and large.
//
//   slab (one ArrayBuffer)   [ block 0 | block 1 | ... | block 255 ]     block id = slab * 256 + position

// As in Prometheus: half an hour at 15 s. Its row in the chunk table is 0.2 bytes per sample; a longer chunk would
// save a part of that and be freed later and widened more often.
/** CHUNK_SAMPLES is the most samples of one chunk. */
export const CHUNK_SAMPLES = 120;

// 256 blocks make slabs of 30 kB (1-byte) to 245 kB (8-byte): large enough that their headers vanish, small
// enough that a slab whose chunks are all of one age is released soon after they are dropped.
const SLAB_SHIFT = 8;
const SLAB_BLOCKS = 1 << SLAB_SHIFT;
const SLAB_MASK = SLAB_BLOCKS - 1;

/** BlockWidth is the bytes of one number. */
export type BlockWidth = 1 | 2 | 4 | 8;

/** SlabPool keeps the blocks of one width. The views of a slab share its memory; only those that fit the width exist. */
export class SlabPool {
  readonly width: BlockWidth;
  readonly i8: Int8Array[] = [];
  readonly i16: Int16Array[] = [];
  readonly i32: Int32Array[] = [];
  readonly u32: Uint32Array[] = [];
  readonly f32: Float32Array[] = [];
  readonly f64: Float64Array[] = [];
  private free: number[] = [];
  private readonly used: number[] = [];
  private usedBlocks = 0;
  private slabs = 0;

  constructor(width: BlockWidth) {
    this.width = width;
  }

  /** slabOf is the index of the slab in the view lists. */
  static slabOf(block: number): number {
    return block >>> SLAB_SHIFT;
  }

  /** offsetOf is where the block begins in its slab, in numbers (for `u32` over 8-byte blocks: twice that). */
  static offsetOf(block: number): number {
    return (block & SLAB_MASK) * CHUNK_SAMPLES;
  }

  /** alloc returns a block with unspecified content. */
  alloc(): number {
    if (this.free.length === 0) this.grow();
    const block = this.free.pop()!;
    this.used[block >>> SLAB_SHIFT]!++;
    this.usedBlocks++;
    return block;
  }

  release(block: number): void {
    this.used[block >>> SLAB_SHIFT]!--;
    this.usedBlocks--;
    this.free.push(block);
  }

  /** usedBytes is what live blocks take. */
  get usedBytes(): number {
    return this.usedBlocks * CHUNK_SAMPLES * this.width;
  }

  /** allocatedBytes is what the slabs take, free blocks included. */
  get allocatedBytes(): number {
    return this.slabs * SLAB_BLOCKS * CHUNK_SAMPLES * this.width;
  }

  /** trim gives slabs without a used block back to the system. It costs a pass over the free list. */
  trim(): void {
    let empty = 0;
    for (let slab = 0; slab < this.used.length; slab++) {
      if (this.used[slab] === 0) {
        this.setSlab(slab, undefined);
        this.used[slab] = -1;
        this.slabs--;
        empty++;
      }
    }
    if (empty > 0) this.free = this.free.filter((block) => this.used[block >>> SLAB_SHIFT]! >= 0);
    // Ascending from the end: chunks made together lie together, and later are freed together.
    this.free.sort((a, b) => b - a);
  }

  private grow(): void {
    let slab = this.used.indexOf(-1);
    if (slab < 0) slab = this.used.length;
    this.setSlab(slab, new ArrayBuffer(SLAB_BLOCKS * CHUNK_SAMPLES * this.width));
    this.used[slab] = 0;
    this.slabs++;
    for (let i = SLAB_BLOCKS - 1; i >= 0; i--) this.free.push((slab << SLAB_SHIFT) | i);
  }

  private setSlab(slab: number, buffer: ArrayBuffer | undefined): void {
    const memory = buffer ?? new ArrayBuffer(0);
    if (this.width === 1) this.i8[slab] = new Int8Array(memory);
    else if (this.width === 2) this.i16[slab] = new Int16Array(memory);
    else if (this.width === 4) {
      this.i32[slab] = new Int32Array(memory);
      this.u32[slab] = new Uint32Array(memory);
      this.f32[slab] = new Float32Array(memory);
    } else {
      this.f64[slab] = new Float64Array(memory);
      this.u32[slab] = new Uint32Array(memory);
    }
  }
}
