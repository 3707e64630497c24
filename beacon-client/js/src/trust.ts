/**
 * The judge: it is given bytes and accepts them or refuses them. No I/O, no clock.
 *
 * Trust starts from the chain hash. The light genesis hashes to it and names the first committee; the last header of an
 * epoch names the next; a committee's certificate makes a head trusted; the MMR root in a trusted head proves every
 * earlier round, and so that the head extends the one trusted before. Values never change: a step gives a new trust.
 */

import { type Bytes, equal, toHex } from "./bytes.js";
import { type Beacon, BEACON_LIMIT, checkBeacon, checkHeader, type Header, headerHash, readBeacon } from "./chain.js";
import { decode } from "./codec.js";
import { committeeHash, readSignerList, type SignerList, Signers, SIGNERS_LIMIT } from "./committee.js";
import { judging, Refusal } from "./errors.js";
import { chainHash, checkLightGenesis, GENESIS_LIMIT, type LightGenesis, readLightGenesis } from "./genesis.js";
import { beaconToJson } from "./json.js";
import { expand } from "./mix.js";
import { PROOF_LIMIT, readProof, verifyProof } from "./mmr.js";
import type { Schedule } from "./schedule.js";

/** A head may be due this far beyond the client's clock, in milliseconds: clocks differ. */
export const CLOCK_TOLERANCE = 15_000n;

/** What made a beacon trusted: a committee's certificate, or a proof under the trusted head of a later round. */
export type How = { by: "certificate" } | { by: "mmr-proof"; head: bigint };

/** Only the judges of this package make verified beacons; the token keeps others from it. */
const TOKEN = Symbol("verified");

/** A beacon that was verified. What it gives out are copies, so that nobody changes what the client trusts. */
export class Verified {
  readonly #beacon: Beacon;
  readonly #hash: Bytes;
  readonly how: How;

  /** @internal */
  constructor(token: symbol, beacon: Beacon, hash: Bytes, how: How) {
    if (token !== TOKEN) throw new TypeError("verified beacons come from a client or a judge");
    this.#beacon = beacon;
    this.#hash = hash;
    this.how = how;
  }

  get round(): bigint {
    return this.#beacon.header.round;
  }

  /** The 32 random bytes of the round. They are public: never use them as a key. */
  get output(): Bytes {
    return this.#beacon.header.output.slice();
  }

  /** The header hash. */
  get hash(): Bytes {
    return this.#hash.slice();
  }

  /** When the round was due, Unix milliseconds. */
  get due(): bigint {
    return this.#beacon.header.due;
  }

  get beacon(): Beacon {
    return structuredClone(this.#beacon);
  }

  get header(): Header {
    return structuredClone(this.#beacon.header);
  }

  /** More bytes of the output under a label: HKDF-SHA3-256, at most 8160. Public bytes, never a key. [mix-3] */
  expand(label: Uint8Array | string, length: number): Bytes {
    return expand(this.#beacon.header.output, label, length);
  }

  /** The 512-bit value of the round. */
  wide(): Bytes {
    return this.expand("512", 64);
  }

  /** The JSON that servers give. */
  toJSON(): object {
    return beaconToJson(this.#beacon);
  }
}

/** @internal */
export function verified(beacon: Beacon, hash: Bytes, how: How): Verified {
  return new Verified(TOKEN, beacon, hash, how);
}

/** How a certified beacon stands to the head. */
export type Candidate = "extends" | "same" | "needs-proof" | "older" | "conflicts";

/** What a client knows of a chain. */
export class Trust {
  private constructor(
    readonly chain: Bytes,
    readonly genesis: LightGenesis,
    /** The committee of the head's epoch; of epoch 1 without a head. */
    readonly signers: Signers,
    readonly head: Verified | null,
  ) {}

  /** Starts from nothing but the chain hash; `genesis` is an encoded light genesis. [trust-1] */
  static open(genesis: Uint8Array, chain: Bytes): Trust {
    return judging("light genesis", () => {
      const light = decode(genesis, GENESIS_LIMIT, readLightGenesis);
      const found = chainHash(light);
      if (!equal(found, chain)) {
        throw new Refusal("wrong-chain", { field: "chain", expected: toHex(chain), found: toHex(found) });
      }
      return new Trust(chain, light, checkLightGenesis(light, chain), null);
    });
  }

  /** Takes up again where an earlier run stopped; everything that can be judged again is. */
  static async restore(genesis: Uint8Array, chain: Bytes, list: SignerList, head: Beacon): Promise<Trust> {
    const trust = Trust.open(genesis, chain);
    const signers = judging("stored signer list", () => Signers.judge(list));
    return trust.#with(signers, await trust.#with(signers, null).certified(head));
  }

  #with(signers: Signers, head: Verified | null): Trust {
    return new Trust(this.chain, this.genesis, signers, head);
  }

  get schedule(): Schedule {
    return this.genesis.draft.parameters.schedule;
  }

  /** The round of the head; 0, the genesis, without one. */
  get round(): bigint {
    return this.head?.round ?? 0n;
  }

  /** Decodes a beacon and judges what its header says of itself. `asked` is the round that was asked for. */
  readBeacon(bytes: Uint8Array, asked?: bigint): Beacon {
    const what = asked === undefined ? "newest beacon" : `beacon of round ${asked}`;
    const beacon = judging(what, () => decode(bytes, BEACON_LIMIT, readBeacon));
    const { round } = beacon.header;
    if (asked !== undefined && round !== asked) {
      throw new Refusal("wrong-round", { what, field: "header.round", expected: asked, found: round });
    }
    this.checkHeader(beacon.header);
    return beacon;
  }

  /** Judges a header by chain, schedule and version. */
  checkHeader(header: Header): void {
    judging(`header of round ${header.round}`, () => checkHeader(header, this.chain, this.schedule));
  }

  /** Judges a beacon by its certificate; without `signers`, as one of the head's epoch. */
  async certified(beacon: Beacon, signers = this.signers, how: How = { by: "certificate" }): Promise<Verified> {
    return verified(beacon, await checkBeacon(beacon, this.chain, this.schedule, signers), how);
  }

  /** Goes to the next epoch: `last` is the last beacon of this one, `list` encoded. The head stays. [trust-3] */
  async handOver(last: Beacon, list: Uint8Array): Promise<Trust> {
    await this.certified(last);
    return this.#with(nextSigners(last.header, this.schedule, list), this.head);
  }

  /** How a beacon that this trust certified stands to the head. */
  candidate(offered: Verified): Candidate {
    return this.head === null ? "extends" : standing(this.head, offered);
  }

  /** Refuses a newer beacon whose proof does not show the head under its MMR root. [trust-4] */
  proveExtension(newer: Verified, proof: Uint8Array): void {
    if (this.head !== null) checkProof(newer.header, this.head.round, this.head.hash, proof);
  }

  /** Makes the head a beacon of the epoch in force that was found to extend the present one. */
  withHead(head: Verified): Trust {
    if (!equal(head.header.committee, this.signers.hash) || head.round < this.round) {
      throw new Refusal("wrong-committee", { what: `head of round ${head.round}` });
    }
    return this.#with(this.signers, head);
  }

  /** Moves the head to the last beacon of a walk that passed through the present one. */
  along(last: Verified, signers: Signers): Trust {
    const fits = last.round > this.round && equal(signers.hash, last.header.committee);
    return fits ? this.#with(signers, last) : this;
  }

  /** Proves a header of a round below the head. What that leaves open is its certificate. [trust-5] */
  prove(beacon: Beacon, proof: Uint8Array): void {
    this.checkHeader(beacon.header);
    if (this.head === null) throw new Refusal("wrong-round", { what: "proof without a trusted head", field: null });
    proveEarlier(this.head.header, beacon.header, proof);
  }

  /** Starts from a checkpoint: a header hash that the user vouches for stands in place of hand-overs since genesis. */
  async atCheckpoint(beacon: Beacon, hash: Bytes, list: Uint8Array): Promise<Trust> {
    this.checkHeader(beacon.header);
    const { header } = beacon;
    const found = headerHash(header);
    if (!equal(found, hash)) {
      const what = `header of checkpoint round ${header.round}`;
      throw new Refusal("conflict", { what, expected: toHex(hash), found: toHex(found) });
    }
    const signers = judgeSigners(list, header.epoch, header.committee);
    return this.#with(signers, await this.certified(beacon, signers));
  }

  /** Refuses a round that the clock, `now` in Unix milliseconds, says cannot be certified yet. */
  checkNotFuture(header: Header, now: bigint): void {
    if (header.due <= now + CLOCK_TOLERANCE) return;
    const what = `beacon of round ${header.round}, due ${header.due - now} ms from now`;
    throw new Refusal("future-round", { what, field: "header.due" });
  }

  /** Rounds that are due at `now` beyond the head; 0 for chains without a period. */
  behind(now: bigint): bigint {
    const { schedule } = this;
    if (schedule.period === 0n || now < schedule.genesisTime) return 0n;
    const expected = schedule.roundAt(now);
    return expected > this.round ? expected - this.round : 0n;
  }
}

/** Decodes and judges the signer list of `epoch`, which must have the hash that a trusted header names. */
export function judgeSigners(bytes: Uint8Array, epoch: bigint, hash: Bytes): Signers {
  return judging(`signer list of epoch ${epoch}`, () => {
    const list = decode(bytes, SIGNERS_LIMIT, readSignerList);
    const found = committeeHash(list);
    if (!equal(found, hash)) {
      throw new Refusal("wrong-committee", { field: "hash", expected: toHex(hash), found: toHex(found) });
    }
    if (list.epoch !== epoch) throw new Refusal("wrong-epoch", { field: "epoch", expected: epoch, found: list.epoch });
    return Signers.judge(list);
  });
}

/** The committee of the next epoch, which the last header of this one names. [trust-3] */
export function nextSigners(last: Header, schedule: Schedule, list: Uint8Array): Signers {
  if (!schedule.isLastRoundOfEpoch(last.round)) {
    throw new Refusal("wrong-round", { what: `hand-over at round ${last.round}` });
  }
  return judgeSigners(list, last.epoch + 1n, last.nextCommittee);
}

/** How a certified header stands to a trusted one. [trust-4] */
export function standing(
  head: { round: bigint; hash: Bytes },
  offered: { round: bigint; hash: Bytes; header: Header },
): Candidate {
  if (offered.round < head.round) return "older";
  if (offered.round === head.round) return equal(offered.hash, head.hash) ? "same" : "conflicts";
  if (offered.round > head.round + 1n) return "needs-proof";
  return equal(offered.header.previous, head.hash) ? "extends" : "conflicts";
}

/** Proves a header under the MMR root of a trusted one of a later round. [trust-5] */
export function proveEarlier(head: Header, earlier: Header, proof: Uint8Array): void {
  checkProof(head, earlier.round, headerHash(earlier), proof);
}

/** Verifies that `hash` is the header of `round` under the MMR root that `head` carries. */
function checkProof(head: Header, round: bigint, hash: Bytes, proof: Uint8Array): void {
  judging(`proof of round ${round} under round ${head.round}`, () =>
    verifyProof(head.mmr, head.round - 1n, round, hash, decode(proof, PROOF_LIMIT, readProof)),
  );
}
