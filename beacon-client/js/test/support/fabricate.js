/** Valid chains signed with test keys: links, hand-overs, MMR roots and certificates are real, outputs are not. */

import { createPrivateKey, createPublicKey, sign } from "node:crypto";

import { compare } from "../../lib/bytes.js";
import { encodeBeacon, headerHash } from "../../lib/chain.js";
import { Writer } from "../../lib/codec.js";
import { committeeHash, encodeSignerList } from "../../lib/committee.js";
import { chainHash, writeLightGenesis } from "../../lib/genesis.js";
import { Hasher, TAG } from "../../lib/hash.js";
import { Mmr } from "../../lib/mmr.js";
import { Schedule } from "../../lib/schedule.js";

const PKCS8 = Buffer.from("302e020100300506032b657004220420", "hex");

/** A secret key from its seed, with its public key's 32 bytes. */
function keyOf(seed) {
  const secret = createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: "der", type: "pkcs8" });
  const encoded = createPublicKey(secret).export({ format: "der", type: "spki" });
  return { secret, bytes: new Uint8Array(encoded.subarray(-32)) };
}

/** Rounds three seconds apart from 2024-01-01 on, one epoch longer than any test, four members of equal weight. */
const PLAN = {
  weights: [1n, 1n, 1n, 1n],
  genesisTime: 1_704_067_200_000n,
  period: 3000n,
  window: 1n,
  epochWindows: 1n << 32n,
  seed: 0n,
  fork: undefined,
};

export class Chain {
  /** Round r at `beacons[r − 1]`, epoch e at `committees[e − 1]`. */
  beacons = [];
  committees = [];
  #plan;
  #keys = [];
  #members;
  #nodes = new Map();

  constructor(rounds, plan = {}) {
    this.#plan = { ...PLAN, ...plan };
    const { weights, genesisTime, period, window, epochWindows } = this.#plan;
    const total = weights.reduce((sum, weight) => sum + weight);
    this.#members = weights
      .map((weight, at) => ({ identity: keyOf(this.#digest(0, at, 0)).bytes, weight, owner: at }))
      .sort((one, other) => compare(one.identity, other.identity));
    this.schedule = new Schedule({ genesisTime, period, window, epochWindows });
    const draft = {
      version: 1,
      name: "fabricated",
      parameters: {
        schedule: this.schedule,
        catchUpInterval: period / 2n < 60_000n ? period / 2n : 60_000n,
        lead: 0n,
        recoveryDelay: 0n,
        grace: 0n,
        registrationsPerValue: 0xffff,
        developmentExemption: weights.some((weight) => weight * 3n >= total),
      },
      members: this.#members.map(({ identity, weight }) => ({ identity, weight })),
      predecessor: null,
    };
    this.#handOver(1n);
    this.genesis = { draft, signers: this.committees[0], bundles: this.#digest(5, 0, 0) };
    this.chain = chainHash(this.genesis);
    this.#build(rounds);
  }

  #digest(what, a, b) {
    return new Hasher("beacon-client/js/fabricate")
      .u64(this.#plan.seed)
      .u64(BigInt(what))
      .u64(BigInt(a))
      .u64(BigInt(b))
      .finish();
  }

  /** New voting keys and their signer list. */
  #listOf(epoch) {
    const keys = this.#members.map(({ owner }) => keyOf(this.#digest(1, owner, epoch)));
    const signers = this.#members.map(({ identity, weight }, at) => ({ identity, weight, votingKey: keys[at].bytes }));
    return [keys, { epoch, membership: 0n, signers, ticketRoot: this.#digest(2, epoch, 0) }];
  }

  #handOver(epoch) {
    const [keys, list] = this.#listOf(epoch);
    this.#keys.push(keys);
    this.committees.push(list);
  }

  #build(rounds) {
    const range = new Mmr();
    let previous = this.chain;
    for (let round = 1n; round <= BigInt(rounds); round++) {
      const epoch = this.schedule.epochOf(round);
      const salt = this.#plan.fork !== undefined && round >= this.#plan.fork ? 1 : 0;
      const last = this.schedule.isLastRoundOfEpoch(round);
      if (last) this.#handOver(epoch + 1n);
      const committee = committeeHash(this.committee(epoch));
      const header = {
        version: 1,
        chain: this.chain,
        round,
        due: this.schedule.timeOf(round),
        previous,
        epoch,
        committee,
        nextCommittee: last ? committeeHash(this.committee(epoch + 1n)) : committee,
        window: this.schedule.windowOf(round),
        dealingSet: this.#digest(3, round, salt),
        weight: this.#plan.weights.reduce((sum, weight) => sum + weight),
        contributors: this.#members.length,
        mmr: range.root(),
        output: this.#digest(4, round, salt),
      };
      previous = headerHash(header);
      range.append(previous);
      this.beacons.push({ header, certificate: this.certify(header) });
    }
  }

  /** Signs a header with the heaviest members that make a quorum, `fewer` of them left out. */
  certify(header, fewer = 0) {
    const digest = new Hasher(TAG.headerVote).fixed(header.chain).u64(header.round).fixed(headerHash(header)).finish();
    const { weights } = this.#plan;
    const total = weights.reduce((sum, weight) => sum + weight);
    const heaviest = this.#members
      .map((_, at) => at)
      .sort((a, b) => Number(this.#members[b].weight - this.#members[a].weight) || a - b);
    let weight = 0n;
    const needed = heaviest.findIndex((at) => 3n * (weight += this.#members[at].weight) > 2n * total) + 1;
    const chosen = heaviest.slice(0, needed - fewer).sort((a, b) => a - b);
    const bitmap = new Uint8Array(Math.ceil(weights.length / 8));
    for (const at of chosen) bitmap[at >> 3] |= 1 << (at & 7);
    const keys = this.#keys[Number(header.epoch) - 1];
    return { bitmap, signatures: chosen.map((at) => new Uint8Array(sign(null, digest, keys[at].secret))) };
  }

  beacon(round) {
    return this.beacons[Number(round) - 1];
  }

  committee(epoch) {
    return this.committees[Number(epoch) - 1];
  }

  get last() {
    return this.beacons[this.beacons.length - 1];
  }

  get genesisBytes() {
    return writeLightGenesis(new Writer(), this.genesis).done();
  }

  /** The tree over leaves `from` to `to`, as RFC 6962 has it. */
  #tree(from, to) {
    const name = `${from} ${to}`;
    if (!this.#nodes.has(name)) {
      const split = from + splitOf(to - from);
      const made =
        to - from === 1
          ? new Hasher(TAG.mmrLeaf).u64(BigInt(to)).fixed(headerHash(this.beacons[from].header))
          : new Hasher(TAG.mmrNode).fixed(this.#tree(from, split)).fixed(this.#tree(split, to));
      this.#nodes.set(name, made.finish());
    }
    return this.#nodes.get(name);
  }

  /** The audit path of `round` under the header of `head`, which is the proof. */
  proof(round, head) {
    const path = (leaf, from, to) => {
      if (to - from === 1) return [];
      const split = from + splitOf(to - from);
      const left = leaf < split;
      return [
        ...(left ? path(leaf, from, split) : path(leaf, split, to)),
        left ? this.#tree(split, to) : this.#tree(from, split),
      ];
    };
    const siblings = path(Number(round) - 1, 0, Number(head) - 1);
    return new Writer().sequence(siblings, (w, sibling) => w.fixed(sibling)).done();
  }
}

/** The greatest power of two below `count`, which is above 1. */
function splitOf(count) {
  return count < 2 ? 0 : 2 ** (31 - Math.clz32(count - 1));
}

/** A sequence of beacons as a range answer has it. */
export function encodeBeacons(beacons) {
  return new Writer().sequence(beacons, (w, beacon) => w.fixed(encodeBeacon(beacon))).done();
}

/** What an honest server answers; nothing for rounds beyond the tip. */
export function answer(chain, tip, path) {
  const url = new URL(path, "http://server");
  const number = (name) => Number(url.searchParams.get(name));
  const known = (round) => (round >= 1 && round <= tip ? chain.beacon(round) : undefined);
  const encoded = (beacon) => beacon && encodeBeacon(beacon);
  const [, , kind, round, proof] = url.pathname.split("/");
  if (kind === "info") return chain.genesisBytes;
  if (kind === "committee")
    return chain.committee(number("epoch")) && encodeSignerList(chain.committee(number("epoch")));
  if (kind !== "rounds") return undefined;
  if (round === undefined) return encodeBeacons(chain.beacons.slice(number("from") - 1, Math.min(number("to"), tip)));
  if (round === "latest") return encoded(known(tip));
  if (proof === undefined) return encoded(known(Number(round)));
  return number("head") <= tip ? chain.proof(Number(round), number("head")) : undefined;
}
