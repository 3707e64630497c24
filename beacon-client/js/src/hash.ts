/**
 * Tagged SHA3-256, trees, and HKDF-SHA3-256 expansion: the only place that hashes. [hash-1]
 */

import { expand as hkdfExpand } from "@noble/hashes/hkdf.js";
import { sha3_256 } from "@noble/hashes/sha3.js";

import { type Bytes, concat, u64, utf8 } from "./bytes.js";
import { Refusal } from "./errors.js";

/** The tags that a reader of the chain needs. */
export const TAG = {
  ceremony: "beacon/1/ceremony",
  chain: "beacon/1/chain",
  header: "beacon/1/header",
  headerVote: "beacon/1/header-vote",
  signer: "beacon/1/signer",
  committee: "beacon/1/committee",
  treeNode: "beacon/1/tree-node",
  mmrLeaf: "beacon/1/mmr-leaf",
  mmrNode: "beacon/1/mmr-node",
  mmrBag: "beacon/1/mmr-bag",
  expand: "beacon/1/expand",
  draw: "beacon/1/draw",
  drawList: "beacon/1/draw-list",
  state: "beacon-client/1/state",
} as const;

const BLOCK = 136;
const MAX_EXPANSION = 8160;

type Sponge = ReturnType<typeof sha3_256.create>;
/** Sponges with their tag absorbed: the first block is half the work of a short hash. */
const absorbed = new Map<string, Sponge>();

/** A tagged SHA3-256 in progress. */
export class Hasher {
  readonly #sponge: Sponge;

  constructor(tag: string) {
    let start = absorbed.get(tag);
    if (start === undefined) {
      const block = new Uint8Array(BLOCK);
      block.set(utf8(tag));
      start = sha3_256.create().update(block);
      absorbed.set(tag, start);
    }
    this.#sponge = start.clone();
  }

  /** Absorbs bytes of a width that the tag fixes. */
  fixed(bytes: Uint8Array): this {
    this.#sponge.update(bytes);
    return this;
  }

  u16(value: number): this {
    return this.fixed(Uint8Array.of(value >> 8, value));
  }

  u32(value: number): this {
    return this.fixed(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
  }

  u64(value: bigint): this {
    return this.fixed(u64(value));
  }

  /** Absorbs bytes of any width, after their length. */
  framed(bytes: Uint8Array): this {
    return this.u32(bytes.length).fixed(bytes);
  }

  finish(): Bytes {
    return this.#sponge.digest() as Bytes;
  }
}

/** Root of a binary tree over digests; a last odd one goes up unchanged. [hash-2] */
export function treeRoot(leaves: Bytes[]): Bytes {
  let level = leaves;
  while (level.length > 1) {
    const above: Bytes[] = [];
    for (let at = 0; at < level.length; at += 2) {
      const [left, right] = [level[at]!, level[at + 1]];
      above.push(right === undefined ? left : new Hasher(TAG.treeNode).fixed(left).fixed(right).finish());
    }
    level = above;
  }
  return level[0] ?? new Uint8Array(32);
}

/** HKDF expansion of 32 bytes that are uniform already; at most 8160 bytes. [hash-3] */
export function expand(key: Uint8Array, info: Uint8Array[], length: number): Bytes {
  if (length > MAX_EXPANSION) throw new Refusal("expand-too-long");
  // The library refuses an empty request, which is an empty answer.
  return length === 0 ? new Uint8Array(0) : (hkdfExpand(sha3_256, key, concat(...info), length) as Bytes);
}
