/** What an honest chain gives: proofs, ranges, committees that change, times, and the trusted head between runs. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { toHex } from "../lib/bytes.js";
import { encodeBeacon, headerHash } from "../lib/chain.js";
import { encodeSignerList } from "../lib/committee.js";
import { Client, ConflictError, memoryStorage, NotYetError, UsageError, webStorage } from "../lib/index.js";
import { fileStorage } from "../lib/node.js";
import { Chain, encodeBeacons } from "./support/fabricate.js";
import { client, collect, reply, TestServer } from "./support/server.js";

const DAY = 86_400_000;
const hashOf = (chain, round) => headerHash(chain.beacon(round).header);
/** Epochs of eight rounds: windows of two, four windows an epoch. */
const epochs = (rounds) => new Chain(rounds, { weights: [5n, 1n, 4n, 4n, 3n], window: 2n, epochWindows: 4n });

test("the newest by certificate, past rounds by proof", async (t) => {
  const chain = new Chain(33);
  const server = await TestServer.start(t, chain);
  const known = client(chain, [server]);
  assert.deepEqual((await known.latest()).how, { by: "certificate" });
  for (let round = 1; round <= 33; round++) {
    const beacon = await known.get(round);
    assert.deepEqual(beacon.beacon, chain.beacon(round));
    assert.deepEqual(beacon.how, round === 33 ? { by: "certificate" } : { by: "mmr-proof", head: 33n });
  }
  assert.equal(server.hits("info"), 1);
  await assert.rejects(
    known.get(34),
    (error) => error instanceof NotYetError && error.due === chain.last.header.due + 3000n,
  );
  await assert.rejects(known.get(0), UsageError);
  await assert.rejects(known.get(1.5), UsageError);
  await assert.rejects(known.get(-1n), UsageError);
});

test("what is given out cannot change what is trusted", async (t) => {
  const chain = new Chain(3);
  const known = client(chain, [await TestServer.start(t, chain)]);
  const newest = await known.latest();
  newest.output.fill(0);
  newest.hash.fill(0);
  newest.header.previous.fill(0);
  assert.deepEqual((await known.get(3)).beacon, chain.last);
  assert.deepEqual(JSON.parse(JSON.stringify(newest)).output, toHex(chain.last.header.output));
  assert.equal(newest.wide().length, 64);
  assert.throws(() => newest.expand("x", 8161), { code: "expand-too-long" });
});

test("committees change by their boundary headers only", async (t) => {
  for (const rounds of [7, 8, 9, 16, 17, 41]) {
    const chain = epochs(rounds);
    const server = await TestServer.start(t, chain);
    const known = client(chain, [server]);
    assert.equal((await known.latest()).round, BigInt(rounds));
    const changes = Math.floor((rounds - 1) / 8);
    assert.equal(server.hits("committee"), changes, `${rounds} rounds`);
    assert.equal(server.hits("rounds/"), changes + 1, `${rounds} rounds`);
    for (let round = 1; round <= rounds; round++) assert.deepEqual((await known.get(round)).hash, hashOf(chain, round));
  }
});

test("joining takes few bytes and few requests", async (t) => {
  const chain = new Chain(1010, { weights: Array(16).fill(1n), window: 4n, epochWindows: 25n });
  const server = await TestServer.start(t, chain);
  let bytes = 0;
  server.twist = (_, body) => {
    bytes += body.length;
    return reply.ok(body);
  };
  assert.equal((await client(chain, [server]).latest()).round, 1010n);
  assert.equal(server.asked.length, 22);
  assert.ok(bytes < 30_000, `${bytes} bytes for ten committee changes`);
});

test("a wrong signer list and an uncertified hand-over are refused", async (t) => {
  const chain = epochs(20);
  const list = encodeSignerList(chain.committee(1));
  const bad = await TestServer.twisted(t, chain, "committee", () => reply.ok(list));
  await assert.rejects(client(chain, [bad]).latest(), { code: "wrong-committee" });
  const forged = encodeBeacon({ header: chain.beacon(8).header, certificate: chain.beacon(7).certificate });
  const liar = await TestServer.twisted(t, chain, "rounds/8?", () => reply.ok(forged));
  await assert.rejects(client(chain, [liar]).latest(), { code: "bad-signature" });
});

test("ranges are verified link by link", async (t) => {
  const chain = epochs(41);
  const server = await TestServer.start(t, chain);
  for (const [from, to] of [
    [1, 41],
    [1, 1],
    [8, 8],
    [8, 9],
    [9, 41],
    [3, 40],
    [41, 41],
    [1, undefined],
  ]) {
    const rounds = await collect(client(chain, [server]).range(from, to));
    assert.deepEqual(
      rounds.map(({ round }) => Number(round)),
      Array.from({ length: (to ?? 41) - from + 1 }, (_, at) => from + at),
    );
    for (const beacon of rounds) assert.deepEqual(beacon.hash, hashOf(chain, beacon.round));
  }
  await assert.rejects(collect(client(chain, [server]).range(1, 42)), { code: "not-yet" });
  await assert.rejects(collect(client(chain, [server]).range(5, 4)), { code: "usage" });
});

test("a range signed by stolen keys of an old epoch is refused before any of it is given out", async (t) => {
  const chain = epochs(41);
  const forged = new Chain(41, { weights: [5n, 1n, 4n, 4n, 3n], window: 2n, epochWindows: 4n, fork: 3n });
  const range = encodeBeacons(forged.beacons.slice(0, 8));
  const server = await TestServer.twisted(t, chain, "rounds?from=1&", () => reply.ok(range));
  const given = [];
  const walk = async () => {
    for await (const beacon of client(chain, [server]).range(1)) given.push(beacon);
  };
  await assert.rejects(walk(), { code: "bad-mmr" });
  assert.deepEqual(given, []);
});

test("a forged MMR root under a true certificate is found by whoever verifies all", async (t) => {
  const chain = new Chain(6);
  const { last } = chain;
  last.header.mmr = new Uint8Array(32);
  last.certificate = chain.certify(last.header);
  const known = client(chain, [await TestServer.start(t, chain)]);
  assert.equal((await known.latest()).round, 6n, "nothing of it shows in the newest round alone");
  await assert.rejects(collect(known.range(1)), { code: "bad-mmr" });
});

test("a range that ends in another certified header than the trusted head is a conflict", async (t) => {
  const chain = new Chain(6);
  const forged = new Chain(6, { fork: 6n });
  const server = await TestServer.twisted(t, chain, "rounds?", () => reply.ok(encodeBeacons(forged.beacons)));
  await assert.rejects(collect(client(chain, [server]).range(1)), (error) => {
    assert.ok(error instanceof ConflictError, error);
    assert.deepEqual(
      [error.trusted.hash, error.offered.hash],
      [chain, forged].map((of) => toHex(hashOf(of, 6))),
    );
    return true;
  });
});

test("every kind of change in a range is refused", async (t) => {
  const chain = epochs(10);
  for (let bit = 3; bit < 8 * 8 * 600; bit += 977) {
    const bad = await TestServer.twisted(t, chain, "rounds?from=1&", (body) => {
      body[(bit >> 3) % body.length] ^= 1 << (bit & 7);
      return reply.ok(body);
    });
    await assert.rejects(collect(client(chain, [bad]).range(1)), { name: "Refusal" }, `bit ${bit}`);
    bad.close();
  }
});

test("times are exact at their boundaries", async (t) => {
  const chain = new Chain(20);
  const known = client(chain, [await TestServer.start(t, chain)]);
  const first = Number(chain.beacon(1).header.due);
  for (const [time, round] of [
    [first, 1n],
    [first + 2999, 1n],
    [first + 3000, 2n],
    [first + 57_000, 20n],
  ]) {
    assert.equal((await known.at(time)).round, round);
    assert.equal(await known.roundAt(BigInt(time)), round);
    assert.equal(await known.roundAt(new Date(time)), round);
  }
  await assert.rejects(known.at(first - 1), { code: "no-such-time" });
  await assert.rejects(known.at(first + 60_000), (error) => error instanceof NotYetError && error.round === 21n);
  await assert.rejects(known.at((1n << 64n) - 1n), NotYetError);
  await assert.rejects(known.roundAt(1n << 64n), UsageError);
  await assert.rejects(known.roundAt(2 ** 53), UsageError, "a number that is not exact");
  assert.equal(await known.timeOf(1), BigInt(first));
  assert.equal(await known.timeOf(0), BigInt(first));
  assert.equal(await known.timeOf(2n ** 52n + 1n), BigInt(first) + 2n ** 52n * 3000n);
  await assert.rejects(known.timeOf((1n << 64n) - 1n), { code: "no-such-time" });
  const still = new Chain(2, { period: 0n });
  await assert.rejects(client(still, [await TestServer.start(t, still)]).roundAt(first), { code: "no-such-time" });
});

test("many calls at once ask for the newest round once", async (t) => {
  const chain = new Chain(5);
  const server = await TestServer.start(t, chain);
  const known = client(chain, [server]);
  const all = await Promise.all(Array.from({ length: 20 }, () => known.latest()));
  assert.ok(all.every(({ round }) => round === 5n));
  assert.deepEqual([server.hits("info"), server.hits("latest")], [1, 1]);
});

const stores = () => {
  const texts = new Map();
  const text = { getItem: (name) => texts.get(name) ?? null, setItem: (name, value) => void texts.set(name, value) };
  return [memoryStorage(), webStorage(text)];
};

test("a second run starts from the stored head", async (t) => {
  const chain = new Chain(30, { epochWindows: 4n });
  const folder = await mkdtemp(join(tmpdir(), "beacon-js-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const storage of [...stores(), fileStorage(folder)]) {
    const server = await TestServer.start(t, chain);
    server.tip = 10;
    assert.equal((await client(chain, [server], { storage }).latest()).round, 10n);
    server.tip = 30;
    server.asked.length = 0;
    assert.equal((await client(chain, [server], { storage }).latest()).round, 30n);
    assert.equal(server.hits("info"), 0, "the genesis is known");
    assert.equal(server.hits("rounds/10/proof"), 1, "the new head is shown to extend the old one");
    assert.equal(server.hits("committee"), 5, "epochs 4 to 8");
  }
  assert.deepEqual(await readdir(folder), [`${toHex(chain.chain)}.state`]);
});

test("of two clients with one storage neither moves the other's head back", async (t) => {
  const chain = new Chain(30);
  const folder = await mkdtemp(join(tmpdir(), "beacon-js-"));
  t.after(() => rm(folder, { recursive: true }));
  for (const storage of [...stores(), fileStorage(folder)]) {
    const [slow, fast] = [await TestServer.start(t, chain), await TestServer.start(t, chain)];
    slow.tip = 10;
    // While the slower one writes, between its look at the record and its own, the other stores a newer head.
    const between = {
      ...storage,
      async replace(name, bytes, before) {
        await client(chain, [fast], { storage }).latest();
        return storage.replace(name, bytes, before);
      },
    };
    assert.equal((await client(chain, [slow], { storage: between }).latest()).round, 10n);
    const other = await TestServer.start(t, chain);
    other.tip = 10;
    await assert.rejects(client(chain, [other], { storage }).latest(), { code: "old-head" }, "round 30 is stored");
  }
});

test("processes replace a record one after the other", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "beacon-js-"));
  t.after(() => rm(folder, { recursive: true }));
  // Each counts the record up so many times; a count that another one undid would be missing in the end.
  const [processes, times] = [4, 25];
  const program = `
    import { fileStorage } from ${JSON.stringify(new URL("../lib/node.js", import.meta.url).href)};
    const storage = fileStorage(${JSON.stringify(folder)});
    for (let done = 0; done < ${times}; ) {
      const before = storage.read("count");
      const count = before === undefined ? 0 : Number(Buffer.from(before).toString());
      if (await storage.replace("count", Buffer.from(String(count + 1)), before)) done += 1;
    }`;
  const count = async () => {
    const child = spawn(process.execPath, ["--input-type=module", "--eval", program], { stdio: "inherit" });
    assert.deepEqual(await once(child, "exit"), [0, null]);
  };
  await Promise.all(Array.from({ length: processes }, count));
  assert.equal(String(await readFile(join(folder, "count"))), String(processes * times));
  assert.deepEqual(await readdir(folder), ["count"], "neither locks nor half-written files are left");
  // A process that ended at the wrong moment leaves a lock, which is nobody's after a while.
  const lock = join(folder, "count.lock");
  await writeFile(lock, "");
  await utimes(lock, 0, 0);
  const storage = fileStorage(folder);
  assert.equal(await storage.replace("count", Buffer.of(1), Buffer.of(2)), false);
  assert.equal(await storage.replace("count", Buffer.of(1), storage.read("count")), true);
  assert.deepEqual(await readdir(folder), ["count"]);
});

test("forks are refused and shown", async (t) => {
  // The fork begins before the head, at it, after it; and is seen right behind it, and far beyond.
  for (const [fork, head, tip] of [
    [5n, 10, 10],
    [10n, 10, 10],
    [10n, 10, 11],
    [5n, 10, 25],
    [10n, 10, 25],
  ]) {
    const chain = new Chain(tip);
    const storage = memoryStorage();
    const server = await TestServer.start(t, chain);
    server.tip = head;
    await client(chain, [server], { storage }).latest();
    const liar = await TestServer.start(t, new Chain(tip, { fork }));
    const error = await client(chain, [liar], { storage })
      .latest()
      .then(assert.fail, (error) => error);
    assert.ok(error instanceof ConflictError, `fork ${fork} tip ${tip}: ${error}`);
    assert.equal(error.trusted.hash, toHex(hashOf(chain, 10)));
    assert.notEqual(error.offered.hash, error.trusted.hash);
    assert.equal(error.from, liar.url);
    assert.deepEqual((await client(chain, [server], { storage }).latest()).hash, hashOf(chain, head));
  }
});

test("a damaged state is refused", async (t) => {
  const chain = new Chain(5);
  const server = await TestServer.start(t, chain);
  const folder = await mkdtemp(join(tmpdir(), "beacon-js-"));
  t.after(() => rm(folder, { recursive: true }));
  const storage = fileStorage(folder);
  await client(chain, [server], { storage }).latest();
  const path = join(folder, `${toHex(chain.chain)}.state`);
  const whole = await readFile(path);
  for (let at = 0; at < whole.length; at += 61) {
    const damaged = Buffer.from(whole);
    damaged[at] ^= 1;
    for (const bytes of [damaged, whole.subarray(0, at)]) {
      await writeFile(path, bytes);
      await assert.rejects(client(chain, [server], { storage }).latest(), { code: "corrupt-state" });
    }
  }
});

test("trust ages, and a recent checkpoint renews it", async (t) => {
  const chain = new Chain(40, { period: BigInt(3 * DAY), epochWindows: 4n });
  const server = await TestServer.start(t, chain);
  const storage = memoryStorage();
  const at = (round, hash = hashOf(chain, round)) => ({ checkpoint: { round, hash } });
  const run = (options = {}) => client(chain, [server], { storage, ...options }).latest();
  await assert.rejects(run(), { code: "stale" }, "the genesis is 117 days old");
  await assert.rejects(run(at(8)), { code: "stale" }, "round 8 was 96 days ago");
  assert.equal((await run(at(30))).round, 40n, "30 days ago");
  assert.equal((await run()).round, 40n, "trust was renewed");
  for (const round of [30, 39, 40]) {
    await assert.rejects(run(at(round, toHex(hashOf(chain, 29)))), { code: "conflict" });
    await run(at(round));
  }
  const clock = () => Number(chain.last.header.due) + 61 * DAY;
  await assert.rejects(run({ clock }), { code: "stale" }, "nobody was there for 61 days");
  await run({ clock, trustingPeriod: 62 * DAY });
});

test("a client that lives longer than its trusting period without a newer head says so", async (t) => {
  const chain = new Chain(20);
  let now = Number(chain.last.header.due);
  const known = client(chain, [await TestServer.start(t, chain)], { clock: () => now });
  await known.latest();
  now += 61 * DAY;
  await assert.rejects(known.latest(), { code: "stale" });
});

test("a checkpoint on a fork is refused", async (t) => {
  const chain = new Chain(40);
  const storage = memoryStorage();
  const server = await TestServer.start(t, chain);
  server.tip = 20;
  await client(chain, [server], { storage }).latest();
  const forked = new Chain(40, { fork: 10n });
  const liar = await TestServer.start(t, forked);
  for (const round of [15, 20, 30]) {
    const checkpoint = { round, hash: hashOf(forked, round) };
    await assert.rejects(client(chain, [liar], { storage, checkpoint }).latest(), (error) =>
      ["conflict", "bad-mmr"].includes(error.code),
    );
  }
});

test("options that make no sense are refused", () => {
  const chain = "00".repeat(32);
  const bad = (options) =>
    assert.throws(() => new Client({ chain, servers: ["http://127.0.0.1:1"], ...options }), UsageError);
  bad({ chain: "00" });
  bad({ chain: new Uint8Array(31) });
  bad({ servers: [] });
  for (const server of ["127.0.0.1:80", "ftp://host", "http://user:pass@host", "http://host/?q", ""])
    bad({ servers: [server] });
  bad({ timeout: 0 });
  bad({ timeout: Number.NaN });
  bad({ trustingPeriod: -1 });
  bad({ checkpoint: { round: 1.5, hash: chain } });
  bad({ checkpoint: { round: 1, hash: "xyz" } });
});
