/** Every shared vector that a reader of the chain needs gives its named verdict. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { sha3_256 } from "@noble/hashes/sha3.js";

import { toHex } from "../lib/bytes.js";
import * as chain from "../lib/chain.js";
import { decode, Writer } from "../lib/codec.js";
import { encodeSignerList, readSignerList, Signers } from "../lib/committee.js";
import { Refusal } from "../lib/errors.js";
import * as genesis from "../lib/genesis.js";
import { expand as expandKey, Hasher, treeRoot } from "../lib/hash.js";
import { beaconFromJson, beaconToJson } from "../lib/json.js";
import { chosenBackend, plausible, Verifier } from "../lib/keys.js";
import { expand } from "../lib/mix.js";
import { Mmr, readProof, verifyProof } from "../lib/mmr.js";
import { nextSigners, proveEarlier, standing } from "../lib/trust.js";
import { Walk } from "../lib/walk.js";
import { Inputs, load, scheduleOf, unhex, verdict } from "./support/vectors.js";

const SMALL = 64 << 10;
const LARGE = 40 << 20;

const number = (value) => (value > 1n << 53n ? value.toString() : Number(value));

test("hash_1 tagged hashes", () => {
  for (const { tag, parts, digest } of load("hash").tagged) {
    const hasher = new Hasher(tag);
    for (const part of parts) {
      const [[kind, value]] = Object.entries(part);
      if (kind === "u64") hasher.u64(BigInt(value));
      else if (kind === "u16" || kind === "u32") hasher[kind](value);
      else hasher[kind](unhex(value));
    }
    assert.equal(toHex(hasher.finish()), digest);
  }
});

test("hash_2 trees, hash_3 expansion", async () => {
  const vectors = load("hash");
  for (const { leaves, root } of vectors.trees) assert.equal(toHex(treeRoot(leaves.map(unhex))), root);
  for (const { key, info, length, sha3_256_of_output, reject } of vectors.expand) {
    const found = await verdict(() => ({ hash: toHex(sha3_256(expandKey(unhex(key), info.map(unhex), length))) }));
    assert.deepEqual(found, reject === null ? { hash: sha3_256_of_output, verdict: "ok" } : { verdict: reject });
  }
});

test("keys_2 public keys, keys_3 signatures, by every backend", async () => {
  const vectors = load("keys");
  for (const { name, key, reject } of vectors.keys) {
    assert.equal((await verdict(() => void Verifier.judge(unhex(key)))).verdict, reject ?? "ok", name);
  }
  assert.equal(await chosenBackend(), "webcrypto", "this Node verifies natively");
  for (const backend of ["noble", "webcrypto"]) {
    for (const { name, key, digest, signature, reject } of vectors.signatures) {
      const found = await Verifier.judge(unhex(key)).verify(unhex(digest), unhex(signature), backend);
      assert.equal(found, reject === null, `${name} by ${backend}`);
    }
  }
});

test("keys_3 what implementations decide in different ways is decided before any is asked", () => {
  const half = (value) => Uint8Array.from({ length: 32 }, (_, at) => Number((value >> BigInt(8 * at)) & 255n));
  const [p, order] = [2n ** 255n - 19n, 2n ** 252n + 27742317777372353535851937790883648493n];
  const judge = (R, s) => plausible(Buffer.concat([half(R), half(s)]));
  assert.ok(judge(3n, 0n) && judge(p - 2n, order - 1n));
  for (const R of [0n, 1n, p - 1n, p, p + 1n, p + 3n]) {
    assert.ok(!judge(R, 1n) && !judge(R + 2n ** 255n, 1n), `R with y = ${R}`);
  }
  assert.ok(!judge(3n, order) && !judge(3n, order + 1n) && !judge(3n, 2n ** 256n - 1n));
  const { keys } = load("keys");
  const small = keys.filter(({ name }) => name.startsWith("small order"));
  assert.equal(small.length, 8);
  for (const { key } of small) assert.ok(!plausible(Buffer.concat([unhex(key), half(1n)])), key);
});

test("keys_3 every flipped bit of a signature is refused by every backend", async () => {
  const { key, digest, signature } = load("keys").signatures[0];
  const verifier = Verifier.judge(unhex(key));
  for (let bit = 0; bit < 512; bit++) {
    const changed = unhex(signature);
    changed[bit >> 3] ^= 1 << (bit & 7);
    assert.equal(await verifier.verify(unhex(digest), changed), false, `bit ${bit}`);
    if (bit % 16 === 0) assert.equal(await verifier.verify(unhex(digest), changed, "noble"), false, `bit ${bit}`);
  }
});

test("schedule_1 rounds, windows and times", async () => {
  const vectors = load("schedule");
  const orReject = (judge) => {
    try {
      return number(judge());
    } catch (error) {
      assert.ok(error instanceof Refusal);
      return { reject: error.code };
    }
  };
  for (const { schedule: json, round, ...expected } of vectors.rounds) {
    const [schedule, at] = [scheduleOf(json), BigInt(round)];
    const found = {
      time: orReject(() => schedule.timeOf(at)),
      window: number(schedule.windowOf(at)),
      epoch: number(schedule.epochOf(at)),
      last_of_epoch: schedule.isLastRoundOfEpoch(at),
    };
    assert.deepEqual(found, expected, `round ${round}`);
  }
  for (const { schedule: json, window, ...expected } of vectors.windows) {
    const [schedule, at] = [scheduleOf(json), BigInt(window)];
    const epoch = schedule.epochOfWindow(at);
    const found = {
      rounds: schedule.roundsOf(at)?.map(number) ?? null,
      epoch: number(epoch),
      last_window_of_epoch: number(schedule.lastWindowOfEpoch(epoch)),
    };
    assert.deepEqual(found, expected, `window ${window}`);
  }
  for (const { schedule: json, time, round } of vectors.times) {
    assert.deepEqual(
      orReject(() => scheduleOf(json).roundAt(BigInt(time))),
      round,
      `time ${time}`,
    );
  }
});

test("mmr_4 roots, mmr_6 proofs", async () => {
  const vectors = load("mmr");
  assert.equal(toHex(new Mmr().root()), vectors.empty_root);
  for (const { headers, roots, proofs } of vectors.ranges) {
    const range = new Mmr();
    headers.forEach((header, at) => {
      range.append(unhex(header));
      assert.equal(toHex(range.clone().root()), roots[at]);
    });
    for (const { root, count, round, header, siblings, reject } of proofs) {
      const judge = () => verifyProof(unhex(root), BigInt(count), BigInt(round), unhex(header), siblings.map(unhex));
      assert.equal((await verdict(judge)).verdict, reject ?? "ok", `round ${round} of ${count}`);
    }
  }
});

const signersOf = (i) => Signers.judge(decode(i.hex("signers"), SMALL, readSignerList));
const beaconOf = (i) => decode(i.hex("beacon"), chain.BEACON_LIMIT, chain.readBeacon);
const headOf = (i) => {
  const { round, hash, committee } = i.get("head");
  return { round: BigInt(round), hash: unhex(hash), nextCommittee: unhex(committee) };
};
const headJson = (round, hash, committee) => ({
  head: { round: number(round), hash: toHex(hash), committee: toHex(committee) },
});

/** Judges by kind; a kind that is missing here is no reader's business. */
const KINDS = {
  signers: (i) => {
    const signers = signersOf(i);
    return { hash: toHex(signers.hash), total: Number(signers.totalWeight) };
  },
  draft: (i) => {
    const draft = decode(i.hex("draft"), SMALL, genesis.readDraft);
    genesis.checkDraft(draft);
    return { ceremony: toHex(genesis.ceremony(draft)) };
  },
  "light-genesis": (i) => {
    const light = decode(i.hex("light"), SMALL, genesis.readLightGenesis);
    return { committee: toHex(genesis.checkLightGenesis(light, i.hex("chain")).hash) };
  },
  certificate: async (i) => {
    const signers = signersOf(i);
    const certificate = decode(i.hex("certificate"), chain.BEACON_LIMIT, chain.readCertificate);
    await chain.checkCertificate(certificate, { chain: i.hex("chain"), round: i.number("round") }, i.hex("header"), signers);
    return { members: chain.certificateMembers(certificate, signers) };
  },
  header: (i) => {
    const header = decode(i.hex("header"), chain.HEADER_BYTES, chain.readHeader);
    chain.checkHeader(header, i.hex("chain"), i.schedule);
    return { hash: toHex(chain.headerHash(header)) };
  },
  beacon: async (i) => ({
    hash: toHex(await chain.checkBeacon(beaconOf(i), i.hex("chain"), i.schedule, signersOf(i))),
  }),
  follow: async (i) => {
    const walk = new Walk({ chain: i.hex("chain"), schedule: i.schedule }, signersOf(i), headOf(i));
    const [{ round, hash, header }] = await walk.take([beaconOf(i)], "the vector");
    return headJson(round, hash, header.nextCommittee);
  },
  leap: async (i) => {
    const [head, beacon] = [headOf(i), beaconOf(i)];
    const hash = await chain.checkBeacon(beacon, i.hex("chain"), i.schedule, signersOf(i));
    const { header } = beacon;
    const stands = head.round === 0n ? "extends" : standing(head, { round: header.round, hash, header });
    if (stands === "older") throw new Refusal("wrong-round");
    if (stands === "conflicts" && header.round === head.round) throw new Refusal("conflict");
    const siblings = decode(i.hex("proof"), SMALL, readProof);
    if (stands !== "same" && head.round > 0n)
      verifyProof(header.mmr, header.round - 1n, head.round, head.hash, siblings);
    return headJson(header.round, hash, header.nextCommittee);
  },
  past: async (i) => {
    const head = decode(i.hex("head"), chain.HEADER_BYTES, chain.readHeader);
    const beacon = beaconOf(i);
    chain.checkHeader(beacon.header, i.hex("chain"), i.schedule);
    proveEarlier(head, beacon.header, i.hex("proof"));
    return { hash: toHex(await chain.checkBeacon(beacon, i.hex("chain"), i.schedule, signersOf(i))) };
  },
  "hand-over": (i) => {
    const last = decode(i.hex("last"), chain.HEADER_BYTES, chain.readHeader);
    return { committee: toHex(nextSigners(last, i.schedule, i.hex("signers")).hash) };
  },
  "mmr-proof": (i) => {
    const siblings = decode(i.hex("proof"), SMALL, readProof);
    verifyProof(i.hex("root"), i.number("count"), i.number("round"), i.hex("header"), siblings);
  },
  expand: (i) => ({ bytes: toHex(expand(i.hex("output"), i.hex("label"), Number(i.get("length")))) }),
};

/** What of a file is no reader's business: dealings, tickets, bundles, and the work of members. */
const OTHERS = {
  certificate: ["assembly"],
  chain: [],
  committee: ["committee", "member-list"],
  genesis: ["genesis"],
  mix: ["mix"],
};

for (const [name, others] of Object.entries(OTHERS)) {
  test(`${name}.json`, async () => {
    const { cases, shared } = load(name);
    let judged = 0;
    for (const { kind, name: label, in: given, out } of cases) {
      if (others.includes(kind)) continue;
      const found = await verdict(() => KINDS[kind](new Inputs(given, shared)));
      assert.deepEqual(found, out, `${kind}: ${label}`);
      judged += 1;
    }
    assert.ok(judged >= 9, `${judged} cases judged`);
  });
}

const write = (shape) => (value) => shape(new Writer(), value).done();

/** Types that a reader decodes, and how it writes them again. */
const FORMATS = {
  SignerList: [readSignerList, encodeSignerList],
  Draft: [genesis.readDraft, write(genesis.writeDraft)],
  LightGenesis: [genesis.readLightGenesis, write(genesis.writeLightGenesis)],
  Certificate: [chain.readCertificate, chain.encodeCertificate],
  Header: [chain.readHeader, chain.encodeHeader],
  Beacon: [chain.readBeacon, chain.encodeBeacon],
  MmrProof: [readProof, null],
};

test("codec_1 formats read and write the same bytes, codec_2 refusals", async () => {
  const { cases, shared } = load("formats");
  const seen = new Set();
  for (const { kind, name, in: given, out } of cases) {
    if (!Object.hasOwn(FORMATS, kind)) continue;
    const [read, encode] = FORMATS[kind];
    const bytes = new Inputs(given, shared).hex("bytes");
    const found = await verdict(() => {
      const value = decode(bytes, LARGE, read);
      if (encode !== null) assert.deepEqual(encode(value), bytes, `${kind}: ${name}`);
      if (kind === "Beacon") assert.deepEqual(beaconToJson(value).header, out.json.header, name);
    });
    assert.equal(found.verdict, out.verdict, `${kind}: ${name}`);
    seen.add(kind);
  }
  assert.deepEqual([...seen].sort(), Object.keys(FORMATS).sort());
});

test("codec_3 a beacon in JSON reads back, and contradictions are refused", () => {
  const i = load("chain").cases.find(({ kind, out }) => kind === "beacon" && out.verdict === "ok");
  const beacon = beaconOf(new Inputs(i.in, load("chain").shared));
  const json = beaconToJson(beacon);
  assert.deepEqual(beaconFromJson(JSON.stringify(json)), beacon);
  const refused = (change, code) => {
    const copy = structuredClone(json);
    change(copy);
    assert.throws(() => beaconFromJson(JSON.stringify(copy)), { code });
  };
  refused((copy) => (copy.output = "00".repeat(32)), "inconsistent");
  refused((copy) => (copy.round += 1), "inconsistent");
  refused((copy) => (copy.header.weight += 1), "inconsistent");
  refused((copy) => delete copy.header.mmr, "bad-json");
  refused((copy) => (copy.round = 1e19), "bad-json");
  refused((copy) => (copy.header.weight = "012"), "bad-json");
  refused((copy) => (copy.header.weight = 2 ** 53 + 2), "bad-json");
  refused((copy) => (copy.certificate.signatures = "00"), "bad-json");
  assert.throws(() => beaconFromJson("[1"), { code: "bad-json" });
  assert.throws(() => beaconFromJson("null"), { code: "bad-json" });
});

test("certify_4 every flipped bit and every truncation of a beacon of the vectors is refused", async () => {
  const { cases, shared } = load("chain");
  const { in: given } = cases.find(({ kind, out }) => kind === "beacon" && out.verdict === "ok");
  const i = new Inputs(given, shared);
  const [good, hash, schedule, signers] = [i.hex("beacon"), i.hex("chain"), i.schedule, signersOf(i)];
  const judge = async (bytes) =>
    chain.checkBeacon(decode(bytes, chain.BEACON_LIMIT, chain.readBeacon), hash, schedule, signers);
  await judge(good);
  for (let bit = 0; bit < good.length * 8; bit++) {
    const changed = good.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    await assert.rejects(judge(changed), Refusal, `bit ${bit}`);
  }
  for (let length = 0; length < good.length; length++) {
    await assert.rejects(judge(good.subarray(0, length)), Refusal, `${length} bytes`);
  }
});
