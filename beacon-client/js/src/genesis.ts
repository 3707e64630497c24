/** The genesis as clients get it: parameters, first committee, and the chain hash over both. */

import { type Bytes, compare, equal, utf8 } from "./bytes.js";
import { type Reader, Writer } from "./codec.js";
import {
  committeeHash,
  MAX_MEMBERS,
  MAX_WEIGHT,
  readSignerList,
  type SignerList,
  Signers,
  writeSignerList,
} from "./committee.js";
import { Refusal } from "./errors.js";
import { Hasher, TAG } from "./hash.js";
import { Schedule } from "./schedule.js";

/** Of the formats and rules. */
export const VERSION = 1;
/** The largest light genesis: 512 members, each as drafted and as a signer. */
export const GENESIS_LIMIT = 64 << 10;

const DAY = 86_400_000n;

export interface Parameters {
  schedule: Schedule;
  catchUpInterval: bigint;
  lead: bigint;
  recoveryDelay: bigint;
  grace: bigint;
  registrationsPerValue: number;
  developmentExemption: boolean;
}

export interface Draft {
  version: number;
  name: string;
  parameters: Parameters;
  members: { identity: Bytes; weight: bigint }[];
  /** The chain that this one continues. */
  predecessor: { chain: Bytes; round: bigint; headerHash: Bytes } | null;
}

export interface LightGenesis {
  draft: Draft;
  signers: SignerList;
  /** Hash of the bundles, which clients have no use for. */
  bundles: Bytes;
}

function readParameters(r: Reader): Parameters {
  const schedule = { genesisTime: r.u64(), period: r.u64(), window: r.u64(), epochWindows: r.u64() };
  return {
    schedule: new Schedule(schedule),
    catchUpInterval: r.u64(),
    lead: r.u64(),
    recoveryDelay: r.u64(),
    grace: r.u64(),
    registrationsPerValue: r.u16(),
    developmentExemption: r.bool(),
  };
}

function writeParameters(w: Writer, of: Parameters): void {
  w.u64(of.schedule.genesisTime).u64(of.schedule.period).u64(of.schedule.window).u64(of.schedule.epochWindows);
  w.u64(of.catchUpInterval).u64(of.lead).u64(of.recoveryDelay).u64(of.grace);
  w.u16(of.registrationsPerValue).bool(of.developmentExemption);
}

export function readDraft(reader: Reader): Draft {
  return {
    version: reader.u16(),
    name: reader.text(),
    parameters: readParameters(reader),
    members: reader.sequence(40, (r) => ({ identity: r.fixed(32), weight: r.u64() })),
    predecessor: reader.option((r) => ({ chain: r.fixed(32), round: r.u64(), headerHash: r.fixed(32) })),
  };
}

export function writeDraft(writer: Writer, draft: Draft): Writer {
  writer.u16(draft.version).text(draft.name);
  writeParameters(writer, draft.parameters);
  writer.sequence(draft.members, (w, member) => w.fixed(member.identity).u64(member.weight));
  writer.option(draft.predecessor, (w, of) => w.fixed(of.chain).u64(of.round).fixed(of.headerHash));
  return writer;
}

/** The ceremony id. [genesis-3] */
export function ceremony(draft: Draft): Bytes {
  return new Hasher(TAG.ceremony).framed(writeDraft(new Writer(), draft).done()).finish();
}

/** Judges every range. [genesis-2] */
function checkParameters(parameters: Parameters, members: number): void {
  const { schedule, catchUpInterval } = parameters;
  const good =
    schedule.window >= 1n &&
    schedule.window <= 64n &&
    schedule.epochWindows >= 4n &&
    schedule.epochWindows <= 1n << 32n &&
    schedule.period <= 366n * DAY &&
    schedule.genesisTime <= 1n << 52n &&
    (schedule.period === 0n || catchUpInterval <= schedule.period / 2n) &&
    catchUpInterval <= 60_000n &&
    parameters.lead <= 3_600_000n &&
    parameters.recoveryDelay <= 60_000n &&
    parameters.grace <= 60_000n &&
    schedule.epochWindows * BigInt(parameters.registrationsPerValue) >= 4n * BigInt(members);
  if (!good) throw new Refusal("bad-parameter");
}

/** Judges a draft. [genesis-1] */
export function checkDraft(draft: Draft): void {
  const { members } = draft;
  if (draft.version !== VERSION) throw new Refusal("unknown-version", { field: null });
  const name = utf8(draft.name).length;
  if (name === 0 || name > 64 || members.length === 0 || members.length > MAX_MEMBERS) {
    throw new Refusal("bad-count", { field: null });
  }
  if (members.some((member, at) => at > 0 && compare(members[at - 1]!.identity, member.identity) >= 0)) {
    throw new Refusal("not-sorted");
  }
  if (members.some((member) => member.weight > MAX_WEIGHT)) throw new Refusal("bad-weight");
  const total = members.reduce((sum, member) => sum + member.weight, 0n);
  if (total === 0n) throw new Refusal("bad-total");
  const heavy = members.some((member) => member.weight * 3n >= total);
  if (heavy && !draft.parameters.developmentExemption) throw new Refusal("too-heavy");
  checkParameters(draft.parameters, members.length);
}

export function readLightGenesis(reader: Reader): LightGenesis {
  return { draft: readDraft(reader), signers: readSignerList(reader), bundles: reader.fixed(32) };
}

export function writeLightGenesis(writer: Writer, genesis: LightGenesis): Writer {
  writeDraft(writer, genesis.draft);
  return writeSignerList(writer, genesis.signers).fixed(genesis.bundles);
}

/** The chain hash, which is also the hash of header 0. [genesis-5] */
export function chainHash(genesis: LightGenesis): Bytes {
  const hasher = new Hasher(TAG.chain).fixed(ceremony(genesis.draft)).fixed(committeeHash(genesis.signers));
  return hasher.fixed(genesis.bundles).finish();
}

/** Judges a light genesis under the chain hash that the reader trusts; gives the first committee. [genesis-5] */
export function checkLightGenesis(genesis: LightGenesis, chain: Bytes): Signers {
  if (!equal(chainHash(genesis), chain)) throw new Refusal("wrong-chain", { field: "chain" });
  checkDraft(genesis.draft);
  const { signers } = genesis;
  const { members } = genesis.draft;
  const same =
    signers.epoch === 1n &&
    signers.membership === 0n &&
    signers.signers.length === members.length &&
    signers.signers.every((signer, at) => {
      const member = members[at]!;
      return equal(signer.identity, member.identity) && signer.weight === member.weight;
    });
  if (!same) throw new Refusal("wrong-committee", { field: null });
  return Signers.judge(signers);
}
