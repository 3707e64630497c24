/** A walk from round to round: every link, every certificate, every change of committee, and the MMR root. */

import { type Bytes, equal, toHex } from "./bytes.js";
import {
  type Beacon,
  checkBeacon,
  checkCertificate,
  checkCommittee,
  checkHeader,
  conflicting,
  type Header,
  headerHash,
} from "./chain.js";
import type { Signers } from "./committee.js";
import { ConflictError, judging, Refusal } from "./errors.js";
import { Mmr } from "./mmr.js";
import type { Schedule } from "./schedule.js";
import { judgeSigners, standing, type Verified, verified } from "./trust.js";

/** What the next header must follow. */
export interface Last {
  round: bigint;
  hash: Bytes;
  nextCommittee: Bytes;
  /** Missing for the genesis, whose header has no such form. */
  header?: Header;
}

/** What all headers of a chain share. */
export interface Rules {
  readonly chain: Bytes;
  readonly schedule: Schedule;
}

/** Consecutive beacons being verified. After the last header of an epoch the walk wants the next signer list. */
export class Walk {
  #last: Last;
  /** The range over all headers so far, kept by walks that start at round 1. */
  #mmr: Mmr | null;
  #signers: Signers;

  /** A walk that goes on after `last`; `signers` is the committee of that header. */
  constructor(
    private readonly rules: Rules,
    signers: Signers,
    last: Last,
    mmr: Mmr | null = null,
  ) {
    this.#signers = signers;
    this.#last = last;
    this.#mmr = mmr;
  }

  /** A walk from round 1 under the committee of the genesis. */
  static fromGenesis(rules: Rules, signers: Signers): Walk {
    return new Walk(rules, signers, { round: 0n, hash: rules.chain, nextCommittee: signers.hash }, new Mmr());
  }

  /** A walk that goes on after a verified beacon, whose committee `signers` is. */
  static after(rules: Rules, first: Verified, signers: Signers): Walk {
    const { header } = first;
    judging(`header of round ${header.round}`, () => checkCommittee(header, signers));
    return new Walk(rules, signers, lastOf(header, first.hash));
  }

  clone(): Walk {
    return new Walk(this.rules, this.#signers, this.#last, this.#mmr?.clone() ?? null);
  }

  /** The committee in force. */
  get signers(): Signers {
    return this.#signers;
  }

  /** The last round taken. */
  get round(): bigint {
    return this.#last.round;
  }

  get hash(): Bytes {
    return this.#last.hash;
  }

  /** The epoch whose signer list must be given before the next step; nothing if the one in force goes on. */
  get wants(): bigint | null {
    return equal(this.#last.nextCommittee, this.#signers.hash) ? null : this.#signers.epoch + 1n;
  }

  /** Gives the signer list that is wanted, encoded. */
  give(list: Uint8Array): void {
    if (this.wants !== null) this.#signers = judgeSigners(list, this.wants, this.#last.nextCommittee);
  }

  /** Takes the header of the next round by its link; its certificate is still open. [trust-2] */
  link(header: Header): Bytes {
    const { rules } = this;
    const last = this.#last;
    judging(`header of round ${header.round}`, () => {
      checkHeader(header, rules.chain, rules.schedule);
      if (header.round !== last.round + 1n) {
        throw new Refusal("wrong-round", { field: "header.round", expected: last.round + 1n, found: header.round });
      }
      if (!equal(header.previous, last.hash)) {
        throw new Refusal("broken-link", { expected: toHex(last.hash), found: toHex(header.previous) });
      }
      if (!equal(header.committee, last.nextCommittee)) {
        throw new Refusal("wrong-committee", { expected: toHex(last.nextCommittee), found: toHex(header.committee) });
      }
      checkCommittee(header, this.#signers);
      const root = this.#mmr?.root();
      if (root !== undefined && !equal(root, header.mmr)) {
        throw new Refusal("bad-mmr", { field: "header.mmr", expected: toHex(root), found: toHex(header.mmr) });
      }
    });
    const hash = headerHash(header);
    this.#mmr?.append(hash);
    this.#last = lastOf(header, hash);
    return hash;
  }

  /**
   * Takes consecutive beacons of one epoch, links first. If one is refused that the committee certified all the same,
   * that is a fork and no invention: a conflict. A walk that threw is of no more use; work on a clone.
   */
  async take(beacons: readonly Beacon[], from: string): Promise<Verified[]> {
    const taken: Verified[] = [];
    for (const beacon of beacons) {
      const before = this.#last;
      try {
        const hash = this.link(beacon.header);
        await checkBeacon(beacon, this.rules.chain, this.rules.schedule, this.#signers);
        taken.push(verified(beacon, hash, { by: "certificate" }));
      } catch (error) {
        throw (error instanceof Refusal && (await this.#fork(before, beacon, from))) || error;
      }
    }
    return taken;
  }

  async #fork(last: Last, refused: Beacon, from: string): Promise<ConflictError | undefined> {
    const { header, certificate } = refused;
    const stands = standing(last, { round: header.round, hash: headerHash(header), header });
    if (last.header === undefined || stands !== "conflicts") return undefined;
    try {
      checkCommittee(header, this.#signers);
      await checkCertificate(certificate, header, headerHash(header), this.#signers);
    } catch {
      return undefined;
    }
    return new ConflictError(toHex(this.rules.chain), conflicting(last.header), conflicting(header), from);
  }
}

function lastOf(header: Header, hash: Bytes): Last {
  return { round: header.round, hash, nextCommittee: header.nextCommittee, header };
}
