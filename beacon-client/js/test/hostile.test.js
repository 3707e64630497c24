/**
 * Servers with one bad habit each: none gets a wrong answer through, none holds the client beyond its time limit, and an
 * honest server beside them is enough.
 */

import assert from "node:assert/strict";
import { test } from "node:test";

import { encodeBeacon, headerHash } from "../lib/chain.js";
import { Refusal, UnreachableError } from "../lib/index.js";
import { Chain, encodeBeacons } from "./support/fabricate.js";
import { client, collect, reply, TestServer } from "./support/server.js";

/** The time limit where it must run out; elsewhere it must not, however busy the machine is. */
const SHORT = 400;
const LONG = 20_000;

const five = new Chain(5);
const refused = (code) => ({ code });
const fault = (...kinds) => ({ kinds });

/** Asks a server with a habit alone, then with an honest one behind it. */
async function survive(t, chain, bad, shows) {
  const timeout = shows.kinds?.includes("timeout") ? SHORT : LONG;
  const error = await client(chain, [bad], { timeout })
    .latest()
    .then(assert.fail, (error) => error);
  if (shows.code !== undefined) {
    assert.ok(error instanceof Refusal, error);
    assert.equal(error.code, shows.code, error.message);
    assert.equal(error.from, bad.url);
  } else {
    assert.ok(error instanceof UnreachableError, error);
    assert.ok(shows.kinds.includes(error.faults[0].fault.kind), error.message);
  }
  const good = await TestServer.start(t, chain);
  const both = client(chain, [bad, good], { timeout: LONG });
  assert.deepEqual((await both.latest()).hash, headerHash(chain.last.header));
  assert.equal(both.bans.length, shows.code === undefined ? 0 : 1);
}

const cut = (body) => body.subarray(0, body.length >> 1);
const promised = (body, part) => reply.raw(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`, part);

/** Name, part of the path that is twisted, how it shows, and the twist. */
const HABITS = [
  ["silent", "", fault("timeout"), () => reply.silence()],
  ["silent later", "latest", fault("timeout"), () => reply.silence()],
  ["slow", "latest", fault("timeout"), (body) => reply.drip(body)],
  ["truncated", "latest", refused("malformed"), (body) => reply.ok(cut(body))],
  ["closed in the middle", "latest", fault("closed"), (body) => promised(body, cut(body))],
  ["closed at once", "latest", fault("connect"), () => reply.raw()],
  ["an endless body", "latest", fault("too-long"), () => reply.endless()],
  ["a large body", "latest", fault("too-long"), () => reply.ok(Buffer.alloc(1 << 20))],
  [
    "a length that is a lie",
    "latest",
    fault("closed"),
    () => reply.raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc"),
  ],
  ["endless headers", "latest", fault("connect"), () => reply.raw(`HTTP/1.1 200 OK\r\n${"a: b\r\n".repeat(100_000)}`)],
  ["a redirect", "latest", fault("redirect"), () => reply.status(302, "Location: http://127.0.0.1:1/\r\n")],
  ["not HTTP", "", fault("connect"), () => reply.raw("SSH-2.0-OpenSSH_9.2\r\n\r\n")],
  ["500", "latest", fault("status"), () => reply.status(500, "", "oh no")],
  ["503 with a code", "latest", fault("status"), () => reply.status(503, "", '{"code":"stopped"}')],
  ["404", "info", fault("missing"), () => reply.status(404, "", "{")],
  [
    "interim answers without end",
    "latest",
    fault("connect", "closed", "timeout"),
    () => reply.raw("HTTP/1.1 100 Continue\r\n\r\n".repeat(50_000)),
  ],
  [
    "broken chunks",
    "latest",
    fault("connect", "closed"),
    () => reply.raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n"),
  ],
  [
    "another protocol",
    "latest",
    fault("connect", "status", "timeout"),
    () => reply.status(101, "Upgrade: websocket\r\n"),
  ],
  ["an empty body", "latest", refused("malformed"), () => reply.ok(Buffer.alloc(0))],
  ["an empty genesis", "info", refused("malformed"), () => reply.ok(Buffer.alloc(0))],
  ["HTML", "latest", refused("malformed"), () => reply.ok(Buffer.from("<html>hello</html>"))],
];

for (const [name, part, shows, twist] of HABITS) {
  test(`survives ${name}`, async (t) => survive(t, five, await TestServer.twisted(t, five, part, twist), shows));
}

/** A server that gives a forged beacon as its newest. */
const forging = (t, change) => {
  const forged = structuredClone(five.last);
  change(forged);
  return TestServer.twisted(t, five, "latest", () => reply.ok(encodeBeacon(forged)));
};

const FORGERIES = [
  [
    "another committee",
    "wrong-committee",
    ({ header }) => (header.nextCommittee = header.committee = new Uint8Array(32)),
  ],
  ["a chosen output", "bad-signature", ({ header }) => header.output.fill(0)],
  ["too few signers", "no-quorum", (forged) => (forged.certificate = five.certify(forged.header, 1))],
  ["one signature twice", "bad-count", ({ certificate }) => certificate.signatures.push(certificate.signatures[0])],
  ["an impossible round", "no-such-time", ({ header }) => (header.round = (1n << 64n) - 1n)],
];

for (const [name, code, change] of FORGERIES) {
  test(`survives ${name}`, async (t) => survive(t, five, await forging(t, change), refused(code)));
}

test("survives another chain's server and beacon", async (t) => {
  const other = new Chain(5, { seed: 7n });
  await survive(t, five, await TestServer.start(t, other), refused("wrong-chain"));
  const beacon = encodeBeacon(other.last);
  await survive(t, five, await TestServer.twisted(t, five, "latest", () => reply.ok(beacon)), refused("wrong-chain"));
});

test("survives a round of the future", async (t) => {
  const long = new Chain(100);
  assert.deepEqual(long.chain, five.chain);
  await survive(t, five, await TestServer.start(t, long), refused("future-round"));
});

test("an empty range, a range of other rounds, a longer range than asked", async (t) => {
  const all = async (twist) => {
    const bad = await TestServer.twisted(t, five, "rounds?", twist);
    return collect(client(five, [bad]).range(1));
  };
  await assert.rejects(
    all(() => reply.ok(encodeBeacons([]))),
    { code: "unreachable" },
  );
  await assert.rejects(
    all(() => reply.ok(encodeBeacons(five.beacons.slice(1)))),
    { code: "not-asked" },
  );
  await assert.rejects(
    all(() => reply.ok(encodeBeacons([...five.beacons, five.last]))),
    { code: "not-asked" },
  );
  assert.equal((await all((body) => reply.honest(body))).length, 5);
});

test("an endless body is let go of at once", async (t) => {
  const bad = await TestServer.twisted(t, five, "latest", () => reply.endless());
  const known = client(five, [bad], { timeout: 3_600_000 });
  await assert.rejects(known.latest(), { code: "unreachable" });
  await bad.flood;
  // An answer has 40 KiB at most; the rest is what stands in the buffers of two sockets.
  assert.ok(bad.flooded < 16 << 20, `${bad.flooded} bytes`);
});

test("a silent server does not hold up another", async (t) => {
  const silent = await TestServer.twisted(t, five, "", () => reply.silence());
  const good = await TestServer.start(t, five);
  const both = client(five, [silent, good], { timeout: 3_600_000 });
  assert.equal((await both.latest()).round, 5n);
  assert.equal((await both.get(2)).round, 2n);
});

test("another round than asked", async (t) => {
  const chain = new Chain(9);
  const other = encodeBeacon(chain.beacon(3));
  const bad = await TestServer.twisted(t, chain, "rounds/4?", () => reply.ok(other));
  await assert.rejects(client(chain, [bad]).get(4), { code: "wrong-round" });
  const good = await TestServer.start(t, chain);
  assert.deepEqual((await client(chain, [bad, good]).get(4)).hash, headerHash(chain.beacon(4).header));
});

test("an old head", async (t) => {
  const chain = new Chain(40);
  const server = await TestServer.start(t, chain);
  const known = client(chain, [server]);
  assert.equal((await known.latest()).round, 40n);
  server.tip = 20;
  await assert.rejects(known.latest(), { code: "old-head" });
  // Two rounds are no more than one server being slower than another: the answer is what is known already.
  server.tip = 38;
  assert.equal((await known.latest()).round, 40n);
});

test("a late server is outdone by another", async (t) => {
  const chain = new Chain(40);
  const [slow, good] = [await TestServer.start(t, chain), await TestServer.start(t, chain)];
  slow.tip = 20;
  assert.equal((await client(chain, [slow, good]).latest()).round, 40n);
  assert.equal((await client(chain, [slow]).latest()).round, 20n);
});

test("a proof of another round", async (t) => {
  const chain = new Chain(9);
  const bad = await TestServer.twisted(t, chain, "/proof", () => reply.ok(chain.proof(5, 9)));
  await assert.rejects(client(chain, [bad]).get(4), { code: "bad-mmr" });
});

test("nobody there", async (t) => {
  const server = await TestServer.start(t, five);
  server.close();
  await assert.rejects(client(five, [server]).latest(), { code: "unreachable" });
});
