/** The Merkle mountain range over all headers: one root proves any earlier round. */

import { type Bytes, equal } from "./bytes.js";
import type { Reader } from "./codec.js";
import { Refusal } from "./errors.js";
import { Hasher, TAG } from "./hash.js";

const MAX_COUNT = 1n << 62n;
/** The largest proof: 62 siblings. */
export const PROOF_LIMIT = 2 << 10;

/** A proof as it travels: the siblings. [mmr-5] */
export function readProof(reader: Reader): Bytes[] {
  return reader.sequence(32, (r) => r.fixed(32));
}

/** A leaf. [mmr-1] */
const leafOf = (round: bigint, hash: Bytes): Bytes => new Hasher(TAG.mmrLeaf).u64(round).fixed(hash).finish();
const join = (left: Bytes, right: Bytes): Bytes => new Hasher(TAG.mmrNode).fixed(left).fixed(right).finish();
/** The root over the bagged peaks. [mmr-4] */
const seal = (count: bigint, top: Bytes): Bytes => new Hasher(TAG.mmrBag).u64(count).fixed(top).finish();

function ones(value: bigint): number {
  let count = 0;
  for (let rest = value; rest > 0n; rest &= rest - 1n) count += 1;
  return count;
}

/** Verifies that `hash` is the header hash of `round` under the `root` of `count` leaves. [mmr-6] */
export function verifyProof(root: Bytes, count: bigint, round: bigint, hash: Bytes, siblings: readonly Bytes[]): void {
  if (count >= MAX_COUNT) throw new Refusal("bad-mmr");
  if (round < 1n || round > count) throw new Refusal("wrong-round", { field: null });
  const leaf = round - 1n;
  const height = (leaf ^ count).toString(2).length - 1;
  const lefts = ones(count >> BigInt(height)) - 1;
  const hasRight = (count & ((1n << BigInt(height)) - 1n)) !== 0n;
  const inside = height + Number(hasRight);
  if (siblings.length !== inside + lefts) throw new Refusal("bad-mmr");
  let top = leafOf(round, hash);
  siblings.forEach((sibling, at) => {
    // Inside its peak the leaf's own bits tell the side; then comes the bag at the right, then peaks at the left.
    const atLeft = at < height ? ((leaf >> BigInt(at)) & 1n) === 1n : at >= inside;
    top = atLeft ? join(sibling, top) : join(top, sibling);
  });
  if (!equal(seal(count, top), root)) throw new Refusal("bad-mmr");
}

/** The peaks of a range and the number of leaves below them. [mmr-2] */
export class Mmr {
  #count = 0n;
  #peaks: Bytes[] = [];

  clone(): Mmr {
    const copy = new Mmr();
    copy.#count = this.#count;
    copy.#peaks = [...this.#peaks];
    return copy;
  }

  /** Appends the header hash of the next round. Each trailing one bit of the count is a peak to be joined. [mmr-3] */
  append(hash: Bytes): void {
    let top = leafOf(this.#count + 1n, hash);
    for (let rest = this.#count; (rest & 1n) === 1n; rest >>= 1n) top = join(this.#peaks.pop()!, top);
    this.#peaks.push(top);
    this.#count += 1n;
  }

  /** The root over all leaves so far. [mmr-4] */
  root(): Bytes {
    if (this.#count === 0n) return new Hasher(TAG.mmrBag).u64(0n).finish();
    return seal(
      this.#count,
      this.#peaks.reduceRight((right, left) => join(left, right)),
    );
  }
}
