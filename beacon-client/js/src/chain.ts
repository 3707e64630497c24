/** Headers, certificates, beacons. */

import { type Bytes, equal, toHex } from "./bytes.js";
import { type Reader, Writer } from "./codec.js";
import type { Signers } from "./committee.js";
import { type ConflictingHeader, judging, Refusal } from "./errors.js";
import { VERSION } from "./genesis.js";
import { Hasher, TAG } from "./hash.js";
import type { Schedule } from "./schedule.js";

export const HEADER_BYTES = 270;
/** The largest beacon: 512 signers. */
export const BEACON_LIMIT = 40 << 10;

/** What a quorum certifies for a round. Every field follows from the chain and the round's secrets. [chain-1] */
export interface Header {
  version: number;
  chain: Bytes;
  round: bigint;
  /** Unix milliseconds: a schedule, not a time stamp. */
  due: bigint;
  previous: Bytes;
  epoch: bigint;
  committee: Bytes;
  /** Equal to `committee`, but in the last header of an epoch. */
  nextCommittee: Bytes;
  window: bigint;
  dealingSet: Bytes;
  weight: bigint;
  contributors: number;
  /** MMR root over the headers before. */
  mmr: Bytes;
  output: Bytes;
}

/** Signers as a bitmap, least significant bit first, and their signatures in member order. */
export interface Certificate {
  bitmap: Bytes;
  signatures: Bytes[];
}

export interface Beacon {
  header: Header;
  certificate: Certificate;
}

export function readHeader(r: Reader): Header {
  return {
    version: r.u16(),
    chain: r.fixed(32),
    round: r.u64(),
    due: r.u64(),
    previous: r.fixed(32),
    epoch: r.u64(),
    committee: r.fixed(32),
    nextCommittee: r.fixed(32),
    window: r.u64(),
    dealingSet: r.fixed(32),
    weight: r.u64(),
    contributors: r.u32(),
    mmr: r.fixed(32),
    output: r.fixed(32),
  };
}

export function encodeHeader(header: Header): Bytes {
  const writer = new Writer().u16(header.version).fixed(header.chain).u64(header.round).u64(header.due);
  writer.fixed(header.previous).u64(header.epoch).fixed(header.committee).fixed(header.nextCommittee);
  writer.u64(header.window).fixed(header.dealingSet).u64(header.weight).u32(header.contributors);
  return writer.fixed(header.mmr).fixed(header.output).done();
}

export function readCertificate(reader: Reader): Certificate {
  return { bitmap: reader.bytes(), signatures: reader.sequence(64, (r) => r.fixed(64)) };
}

export function encodeCertificate(certificate: Certificate): Bytes {
  const writer = new Writer().bytes(certificate.bitmap);
  return writer.sequence(certificate.signatures, (w, signature) => w.fixed(signature)).done();
}

export function readBeacon(reader: Reader): Beacon {
  return { header: readHeader(reader), certificate: readCertificate(reader) };
}

export function encodeBeacon(beacon: Beacon): Bytes {
  const writer = new Writer().fixed(encodeHeader(beacon.header));
  return writer.fixed(encodeCertificate(beacon.certificate)).done();
}

/** The header hash. [chain-2] */
export function headerHash(header: Header): Bytes {
  return new Hasher(TAG.header).fixed(encodeHeader(header)).finish();
}

/** Judges what a header says of itself. [chain-3] */
export function checkHeader(header: Header, chain: Bytes, schedule: Schedule): void {
  const { round } = header;
  const mismatch = (expected: unknown, found: unknown) => ({ expected, found });
  if (header.version !== VERSION) throw new Refusal("unknown-version", mismatch(VERSION, header.version));
  if (!equal(header.chain, chain)) throw new Refusal("wrong-chain", mismatch(toHex(chain), toHex(header.chain)));
  if (round === 0n) throw new Refusal("wrong-round", { field: "header.round" });
  const due = schedule.timeOf(round);
  if (header.due !== due) throw new Refusal("wrong-due-time", mismatch(due, header.due));
  const window = schedule.windowOf(round);
  if (header.window !== window) throw new Refusal("wrong-window", mismatch(window, header.window));
  const epoch = schedule.epochOf(round);
  if (header.epoch !== epoch) throw new Refusal("wrong-epoch", mismatch(epoch, header.epoch));
  if (!equal(header.nextCommittee, header.committee) && !schedule.isLastRoundOfEpoch(round)) {
    throw new Refusal("wrong-committee", { field: "header.next_committee" });
  }
}

/** The members whose bits are set; bits for anybody else are refused. [certify-3] */
export function certificateMembers(certificate: Certificate, signers: Signers): number[] {
  const { bitmap } = certificate;
  if (bitmap.length !== Math.ceil(signers.length / 8)) throw new Refusal("bad-bitmap");
  const members: number[] = [];
  for (let member = 0; member < 8 * bitmap.length; member++) {
    if (((bitmap[member >> 3]! >> (member & 7)) & 1) === 0) continue;
    if (signers.weight(member) === 0n) throw new Refusal("bad-bitmap");
    members.push(member);
  }
  return members;
}

/** Verifies the quorum and every listed signature, one by one. [certify-4] */
export async function checkCertificate(
  certificate: Certificate,
  { chain, round }: Pick<Header, "chain" | "round">,
  hash: Bytes,
  signers: Signers,
): Promise<void> {
  const members = certificateMembers(certificate, signers);
  if (members.length !== certificate.signatures.length) throw new Refusal("bad-count");
  const weight = members.reduce((sum, member) => sum + signers.weight(member), 0n);
  if (!signers.isQuorum(weight)) throw new Refusal("no-quorum");
  const digest = new Hasher(TAG.headerVote).fixed(chain).u64(round).fixed(hash).finish();
  const verdicts = members.map((member, at) => signers.verifiers[member]!.verify(digest, certificate.signatures[at]!));
  if (!(await Promise.all(verdicts)).every(Boolean)) throw new Refusal("bad-signature");
}

/** Whether a header is of the epoch and committee of `signers`. [chain-4] */
export function checkCommittee(header: Header, signers: Signers): void {
  if (header.epoch !== signers.epoch) {
    throw new Refusal("wrong-committee", { field: "header.epoch", expected: signers.epoch, found: header.epoch });
  }
  if (!equal(header.committee, signers.hash)) {
    throw new Refusal("wrong-committee", { expected: toHex(signers.hash), found: toHex(header.committee) });
  }
}

/** Judges a beacon on its own under the committee of its epoch; gives the header hash. [chain-4] */
export async function checkBeacon(beacon: Beacon, chain: Bytes, schedule: Schedule, signers: Signers): Promise<Bytes> {
  const { header, certificate } = beacon;
  judging(`header of round ${header.round}`, () => {
    checkHeader(header, chain, schedule);
    checkCommittee(header, signers);
  });
  const hash = headerHash(header);
  try {
    await checkCertificate(certificate, header, hash, signers);
  } catch (error) {
    throw error instanceof Refusal ? error.of(`certificate of round ${header.round}`) : error;
  }
  return hash;
}

/** A header as an alarm shows it. */
export function conflicting(header: Header): ConflictingHeader {
  return { round: header.round, hash: toHex(headerHash(header)), header: toHex(encodeHeader(header)) };
}
