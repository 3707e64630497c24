/** What is asked of one server, and how its answers become trusted. Nothing here changes the client. */

import { type Bytes, toHex } from "./bytes.js";
import { type Beacon, BEACON_LIMIT, conflicting, HEADER_BYTES, readBeacon } from "./chain.js";
import { decode } from "./codec.js";
import { type Signers, SIGNERS_LIMIT } from "./committee.js";
import { ConflictError, Fault, judging, Refusal } from "./errors.js";
import { GENESIS_LIMIT } from "./genesis.js";
import { PROOF_LIMIT } from "./mmr.js";
import type { Line } from "./servers.js";
import { judgeSigners, Trust, type Verified } from "./trust.js";
import type { Walk } from "./walk.js";

/** A server this close behind the trusted head is merely slower than another; the head itself is the answer. */
const LAG = 2n;
/** Rounds of one answer at most, by the protocol of the servers. */
const MAX_RANGE = 1000;
/** Bytes of one answer at most: what keeps large committees within the memory of small machines. */
const RANGE_BYTES = 8 << 20;

/** A head with the trust that has it. */
export interface Reached {
  trust: Trust;
  head: Verified;
}

export async function openGenesis(line: Line, chain: Bytes): Promise<Trust> {
  return Trust.open(await line.ask({ kind: "light-genesis" }, GENESIS_LIMIT), chain);
}

export async function fetchRound(line: Line, trust: Trust, round: bigint): Promise<Beacon> {
  return trust.readBeacon(await line.ask({ kind: "round", round }, BEACON_LIMIT), round);
}

/** The newest round of one server, as the head of the trust that is given back. */
export async function reachNewest(line: Line, trust: Trust, now: bigint): Promise<Reached> {
  const beacon = trust.readBeacon(await line.ask({ kind: "latest" }, BEACON_LIMIT));
  trust.checkNotFuture(beacon.header, now);
  const [theirs, ours] = [beacon.header.round, trust.round];
  const behind = () => new Fault("behind", `stands at round ${theirs}, round ${ours} is verified already`);
  if (trust.head !== null && theirs < ours) {
    if (theirs + LAG >= ours) return { trust, head: trust.head };
    throw behind();
  }
  const next = await reachEpoch(line, trust, beacon.header.epoch);
  const newest = await next.certified(beacon);
  switch (next.candidate(newest)) {
    case "same":
      return { trust, head: newest };
    case "conflicts":
      throw conflict(trust, newest.beacon, line.name);
    case "older":
      throw behind();
    case "needs-proof":
      await proveExtension(line, next, newest);
  }
  return { trust: next.withHead(newest), head: newest };
}

/**
 * Fetches the proof that a newer head extends the present one. A server that cannot show it is asked which header it
 * has instead: if it can prove that one, the chain is in conflict.
 */
async function proveExtension(line: Line, trust: Trust, newer: Verified): Promise<void> {
  const proof = await line.ask({ kind: "proof", round: trust.round, head: newer.round }, PROOF_LIMIT);
  try {
    trust.proveExtension(newer, proof);
  } catch (refusal) {
    const theirs = await fetchRound(line, trust, trust.round);
    try {
      trust.withHead(newer).prove(theirs, proof);
    } catch {
      throw refusal;
    }
    throw conflict(trust, theirs, line.name);
  }
}

/** Hands over from committee to committee up to `epoch`: two small answers for each. */
async function reachEpoch(line: Line, trust: Trust, epoch: bigint): Promise<Trust> {
  let reached = trust;
  while (reached.signers.epoch < epoch) {
    const current = reached.signers.epoch;
    const last = await fetchRound(line, reached, reached.schedule.lastRoundOfEpoch(current));
    reached = await reached.handOver(last, await line.ask({ kind: "committee", epoch: current + 1n }, SIGNERS_LIMIT));
  }
  return reached;
}

/** The committee that a trusted header names. */
export async function fetchSigners(line: Line, epoch: bigint, hash: Bytes): Promise<Signers> {
  return judgeSigners(await line.ask({ kind: "committee", epoch }, SIGNERS_LIMIT), epoch, hash);
}

/** A round before the head, by proof and certificate. `signersOf` finds the committee once the header is proven. */
export async function reachPast(
  line: Line,
  trust: Trust,
  round: bigint,
  signersOf: (line: Line, epoch: bigint, hash: Bytes) => Promise<Signers>,
): Promise<Verified> {
  const beacon = await fetchRound(line, trust, round);
  await proveUnderHead(line, trust, beacon);
  const signers = await signersOf(line, beacon.header.epoch, beacon.header.committee);
  return trust.certified(beacon, signers, { by: "mmr-proof", head: trust.round });
}

/** Refuses a beacon that is not under the trusted head, or is not the head. */
export async function proveUnderHead(line: Line, trust: Trust, beacon: Beacon): Promise<void> {
  const { round } = beacon.header;
  trust.prove(beacon, await line.ask({ kind: "proof", round, head: trust.round }, PROOF_LIMIT));
}

/**
 * Holds the trust against a checkpoint: beyond the head it becomes the head, before it it must be under it. Gives the
 * due time of the checkpoint besides.
 */
export async function applyCheckpoint(
  line: Line,
  trust: Trust,
  round: bigint,
  hash: Bytes,
): Promise<{ trust: Trust; due: bigint }> {
  const beacon = await fetchRound(line, trust, round);
  const { epoch, due } = beacon.header;
  const list = await line.ask({ kind: "committee", epoch }, SIGNERS_LIMIT);
  const checked = await trust.atCheckpoint(beacon, hash, list);
  const { head } = trust;
  const point = checked.head;
  if (head === null || point === null) return { trust: checked, due };
  if (head.round === round) {
    if (toHex(head.hash) !== toHex(hash)) throw conflict(trust, beacon, line.name);
    return { trust, due };
  }
  const beyond = round > head.round;
  const [under, below, above] = beyond ? [trust, head, point] : [checked, point, head];
  under.proveExtension(above, await line.ask({ kind: "proof", round: below.round, head: above.round }, PROOF_LIMIT));
  return { trust: beyond ? checked : trust, due };
}

/** A walk with the signer list that it waits for, if it waits for one. The walk given stays as it is. */
export async function readyWalk(line: Line, walk: Walk): Promise<Walk> {
  const ready = walk.clone();
  const epoch = ready.wants;
  if (epoch !== null) ready.give(await line.ask({ kind: "committee", epoch }, SIGNERS_LIMIT));
  return ready;
}

/**
 * Takes rounds up to `to` as far as one answer and one epoch go. What lies at or before the trusted head is shown to be
 * under it before it is given out: voting keys of old epochs are erased, and may be stolen all the same.
 */
export async function walkOn(
  line: Line,
  trust: Trust,
  walk: Walk,
  to: bigint,
): Promise<{ walk: Walk; taken: Verified[] }> {
  const ready = await readyWalk(line, walk);
  const from = ready.round + 1n;
  const known = from <= trust.round && trust.round < to ? trust.round : to;
  const epochEnd = trust.schedule.lastRoundOfEpoch(trust.schedule.epochOf(from));
  const beacons = await fetchRange(line, from, known < epochEnd ? known : epochEnd, ready.signers.length);
  const taken = await ready.take(beacons, line.name);
  const last = beacons[beacons.length - 1];
  if (last !== undefined && ready.round < trust.round) await proveUnderHead(line, trust, last);
  if (
    last !== undefined &&
    ready.round === trust.round &&
    toHex(ready.hash) !== toHex(trust.head?.hash ?? trust.chain)
  ) {
    throw conflict(trust, last, line.name);
  }
  return { walk: ready, taken };
}

/** Beacons from `from` on, at most to `to`: as many as one answer holds, at least one. */
async function fetchRange(line: Line, from: bigint, to: bigint, members: number): Promise<Beacon[]> {
  const widest = HEADER_BYTES + 16 + Math.ceil(members / 8) + 64 * members;
  const most = Math.min(Math.max(Math.floor(RANGE_BYTES / widest), 1), MAX_RANGE);
  const end = from + BigInt(most) - 1n;
  const last = to < end ? to : end;
  const limit = 8 + widest * most;
  const what = `rounds ${from} to ${last}`;
  const bytes = await line.ask({ kind: "range", from, to: last }, limit);
  const beacons = judging(what, () => decode(bytes, limit, (reader) => reader.sequence(HEADER_BYTES + 16, readBeacon)));
  if (beacons.length === 0) throw new Fault("not-yet", "not certified yet");
  beacons.forEach((beacon, at) => {
    const expected = from + BigInt(at);
    if (beacon.header.round !== expected || expected > last) {
      throw new Refusal("not-asked", { what, field: "header.round", expected, found: beacon.header.round });
    }
  });
  return beacons;
}

/** The conflict between the trusted head and a certified or proven beacon. */
export function conflict(trust: Trust, offered: Beacon, from: string): ConflictError {
  const trusted = trust.head?.header ?? offered.header;
  return new ConflictError(toHex(trust.chain), conflicting(trusted), conflicting(offered.header), from);
}
