/** The signer list of an epoch: what certificates are checked against. */

import { type Bytes, compare, equal } from "./bytes.js";
import { type Reader, Writer } from "./codec.js";
import { Refusal } from "./errors.js";
import { Hasher, TAG, treeRoot } from "./hash.js";
import { Verifier } from "./keys.js";

export const MAX_MEMBERS = 512;
export const MAX_WEIGHT = 1_000_000n;
/** The largest signer list: 512 lines of 72 bytes. */
export const SIGNERS_LIMIT = 40 << 10;

/** A member as a signer list names it. */
export interface Signer {
  identity: Bytes;
  weight: bigint;
  votingKey: Bytes;
}

export interface SignerList {
  epoch: bigint;
  /** How many amendments took effect before this committee. */
  membership: bigint;
  signers: Signer[];
  ticketRoot: Bytes;
}

export function readSignerList(reader: Reader): SignerList {
  return {
    epoch: reader.u64(),
    membership: reader.u64(),
    signers: reader.sequence(72, (r) => ({ identity: r.fixed(32), weight: r.u64(), votingKey: r.fixed(32) })),
    ticketRoot: reader.fixed(32),
  };
}

export function writeSignerList(writer: Writer, list: SignerList): Writer {
  writer.u64(list.epoch).u64(list.membership);
  writer.sequence(list.signers, (w, signer) => w.fixed(signer.identity).u64(signer.weight).fixed(signer.votingKey));
  return writer.fixed(list.ticketRoot);
}

export function encodeSignerList(list: SignerList): Bytes {
  return writeSignerList(new Writer(), list).done();
}

/** The committee hash. [committee-1] */
export function committeeHash(list: SignerList): Bytes {
  const leaves = list.signers.map((signer, index) =>
    new Hasher(TAG.signer).u16(index).fixed(signer.identity).u64(signer.weight).fixed(signer.votingKey).finish(),
  );
  const hasher = new Hasher(TAG.committee).u64(list.epoch).u64(list.membership).u32(list.signers.length);
  return hasher.fixed(treeRoot(leaves)).fixed(list.ticketRoot).finish();
}

/** A signer list that was judged, its keys decompressed. */
export class Signers {
  private constructor(
    readonly list: SignerList,
    readonly hash: Bytes,
    readonly totalWeight: bigint,
    readonly verifiers: readonly Verifier[],
  ) {}

  /** Judges order, weights and keys. [committee-2] */
  static judge(list: SignerList): Signers {
    const { signers } = list;
    if (signers.length === 0 || signers.length > MAX_MEMBERS) throw new Refusal("bad-count", { field: null });
    if (signers.some((signer, at) => at > 0 && compare(signers[at - 1]!.identity, signer.identity) >= 0)) {
      throw new Refusal("not-sorted");
    }
    if (signers.some((signer) => signer.weight > MAX_WEIGHT)) throw new Refusal("bad-weight");
    const total = signers.reduce((sum, signer) => sum + signer.weight, 0n);
    if (total === 0n) throw new Refusal("bad-total");
    const keys = signers.map((signer) => signer.votingKey).sort(compare);
    if (keys.some((key, at) => at > 0 && equal(keys[at - 1]!, key))) throw new Refusal("duplicate-key");
    const verifiers = signers.map((signer) => Verifier.judge(signer.votingKey));
    return new Signers(list, committeeHash(list), total, verifiers);
  }

  get epoch(): bigint {
    return this.list.epoch;
  }

  get length(): number {
    return this.list.signers.length;
  }

  /** The weight of a member; 0 for one that is not there. */
  weight(member: number): bigint {
    return this.list.signers[member]?.weight ?? 0n;
  }

  /** Strictly above two thirds. [committee-3] */
  isQuorum(weight: bigint): boolean {
    return 3n * weight > 2n * this.totalWeight;
  }
}
