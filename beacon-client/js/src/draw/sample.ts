/** Unbiased sampling from a round's output. */

import { type Bytes, concat, u64, utf8 } from "../bytes.js";
import { expand } from "../mix.js";

const LABEL = utf8("beacon/1/draw-stream");
const BLOCK = 1024;
const WORDS = 1n << 64n;

/** The bytes of one draw: blocks of 1024 bytes, expanded under the draw hash and the number of the block. [draw-8] */
export class Stream {
  #nextBlock = 0n;
  #block: Bytes = new Uint8Array(0);
  #used = 0;

  constructor(
    private readonly output: Bytes,
    private readonly draw: Bytes,
  ) {}

  /** The next `count` bytes. */
  bytes(count: number): Bytes {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count;) {
      if (this.#used === this.#block.length) this.#refill();
      const part = this.#block.subarray(this.#used, this.#used + count - at);
      bytes.set(part, at);
      at += part.length;
      this.#used += part.length;
    }
    return bytes;
  }

  #refill(): void {
    this.#block = expand(this.output, concat(LABEL, this.draw, u64(this.#nextBlock)), BLOCK);
    this.#nextBlock += 1n;
    this.#used = 0;
  }

  /** A number from 0 to n − 1, each as likely, 1 ≤ n ≤ 2^64; words past the last multiple of n do not count. [draw-9] */
  below(n: bigint): bigint {
    const multiple = (WORDS / n) * n;
    for (;;) {
      const word = new DataView(this.bytes(8).buffer).getBigUint64(0);
      if (word < multiple) return word % n;
    }
  }

  numberBelow(n: number): number {
    return Number(this.below(BigInt(n)));
  }
}

/** Weights of entries that are still to be drawn, with sums over ranges (a Fenwick tree). Sums stay below 2^53. */
export class Weights {
  readonly #tree: number[];
  readonly #weights: number[];
  #total: number;

  constructor(weights: readonly number[]) {
    this.#weights = [...weights];
    this.#tree = [0, ...weights];
    this.#total = weights.reduce((sum, weight) => sum + weight, 0);
    for (let place = 1; place < this.#tree.length; place++) {
      const parent = place + (place & -place);
      if (parent < this.#tree.length) this.#tree[parent]! += this.#tree[place]!;
    }
  }

  /** The sum of the weights that are left. */
  get total(): number {
    return this.#total;
  }

  /** The first entry with which the running sum exceeds `point`, which is below the total; and removes it. [draw-11] */
  take(point: number): number {
    let [place, left] = [0, point];
    for (let step = 2 ** Math.ceil(Math.log2(this.#tree.length)); step >= 1; step /= 2) {
      const sum = this.#tree[place + step];
      if (sum !== undefined && sum <= left) {
        left -= sum;
        place += step;
      }
    }
    const weight = this.#weights[place]!;
    this.#total -= weight;
    for (let cover = place + 1; cover < this.#tree.length; cover += cover & -cover) this.#tree[cover]! -= weight;
    return place;
  }
}
