/** Subscriptions: every round once and in order, whatever servers do. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { headerHash } from "../lib/chain.js";
import { ConflictError, NotYetError, UsageError } from "../lib/index.js";
import { SseParser } from "../lib/sse.js";
import { Backoff, Channel } from "../lib/waiting.js";
import { Chain } from "./support/fabricate.js";
import { client, event, reply, TestServer } from "./support/server.js";

/** Subscribes, ends with the test, and keeps events; `until` waits for one of a kind. */
function subscribe(t, known, options = {}) {
  const over = new AbortController();
  t.after(() => over.abort());
  const events = [];
  const onEvent = (event) => events.push(event);
  return Object.assign(known.subscribe({ onEvent, signal: over.signal, ...options }), { events });
}

async function expect(subscription, from, to) {
  for (let round = from; round <= to; round++) assert.equal((await subscription.next()).value.round, BigInt(round));
}

/** Waits until servers have a subscriber. */
async function connected(...servers) {
  while (servers.some((server) => server.hits("stream") === 0)) await new Promise(setImmediate);
}

test("the past is fetched and the present pushed", async (t) => {
  const chain = new Chain(60, { window: 2n, epochWindows: 4n });
  const server = await TestServer.start(t, chain);
  server.tip = 30;
  const known = client(chain, [server]);
  const rounds = subscribe(t, known, { from: 1 });
  await expect(rounds, 1, 30);
  for (let tip = 31; tip <= 60; tip++) {
    server.tip = tip;
    await expect(rounds, tip, tip);
  }
  assert.equal((await known.latest()).round, 60n);
});

test("from the newest, from a round to come, the next one", async (t) => {
  const chain = new Chain(40);
  const server = await TestServer.start(t, chain);
  server.tip = 30;
  const known = client(chain, [server]);
  const [newest, later] = [subscribe(t, known), subscribe(t, known, { from: 35n })];
  const first = later.next();
  await expect(newest, 30, 30);
  server.tip = 36;
  await expect(newest, 31, 36);
  assert.equal((await first).value.round, 35n);
  await expect(later, 36, 36);
  const next = known.next();
  await connected(server);
  const streams = server.hits("stream");
  while (server.hits("stream") === streams) await new Promise(setImmediate);
  server.tip = 37;
  assert.equal((await next).round, 37n);
  assert.throws(() => known.subscribe({ from: 0 }), UsageError);
});

test("a chain without rounds is waited for", async (t) => {
  const chain = new Chain(3);
  const server = await TestServer.start(t, chain);
  server.tip = 0;
  const known = client(chain, [server]);
  await assert.rejects(known.latest(), (error) => error instanceof NotYetError && error.round === 1n);
  const rounds = subscribe(t, known);
  const first = rounds.next();
  await connected(server);
  server.tip = 3;
  assert.equal((await first).value.round, 1n);
  await expect(rounds, 2, 3);
});

test("gaps in what is pushed are fetched", async (t) => {
  const chain = new Chain(30);
  const sparse = (path, body) =>
    path.includes("stream") && !/^event: beacon\nid: \d*[05]\n/.test(body.toString())
      ? reply.ok(Buffer.alloc(0))
      : reply.honest(body);
  const server = await TestServer.start(t, chain, sparse);
  server.tip = 1;
  const rounds = subscribe(t, client(chain, [server]), { from: 1 });
  await expect(rounds, 1, 1);
  const second = rounds.next();
  await connected(server);
  server.tip = 30;
  assert.equal((await second).value.round, 2n);
  await expect(rounds, 3, 30);
});

test("a gap is fetched before what comes after it", async (t) => {
  const chain = new Chain(3, { period: 1000n });
  const third = (path, body) =>
    path.includes("stream") && body.includes("id: 2\n") ? reply.ok(Buffer.alloc(0)) : reply.honest(body);
  const server = await TestServer.start(t, chain, third);
  server.tip = 1;
  // As early as round 3 may come, so that nobody would look for round 2 before it is due, many seconds later.
  const clock = () => Number(chain.last.header.due) - 15_000;
  const rounds = subscribe(t, client(chain, [server], { clock }), { from: 1 });
  await expect(rounds, 1, 1);
  const second = rounds.next();
  await connected(server);
  // All there is was asked for; from here on rounds are pushed.
  while (server.hits("rounds?from=2&") === 0) await new Promise(setImmediate);
  server.tip = 3;
  assert.equal((await second).value.round, 2n);
  await expect(rounds, 3, 3);
  assert.equal(server.hits("rounds?from=2&to=2&"), 1, "exactly the gap was asked for");
});

const OLD = new Chain(20, { period: 40n });
/** What a stream may bring instead of rounds. */
const USELESS = [
  ["nothing", () => reply.silence()],
  ["signs of life", () => reply.ok(Buffer.from(": alive\n\n".repeat(100)))],
  ["old rounds", () => reply.ok(Buffer.from(event(OLD, 3).repeat(100)))],
  ["other events", () => reply.ok(Buffer.from("event: other\ndata: x\n\n"))],
];

for (const [name, twist] of USELESS) {
  test(`a stream of ${name}: rounds are fetched when due`, async (t) => {
    const server = await TestServer.twisted(t, OLD, "stream", twist);
    server.tip = 5;
    const rounds = subscribe(t, client(OLD, [server]));
    await expect(rounds, 5, 5);
    server.tip = 20;
    await expect(rounds, 6, 20);
  });
}

test("broken streams are taken up again", async (t) => {
  const chain = new Chain(12);
  const breaking = (body) => reply.raw("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", body);
  const server = await TestServer.twisted(t, chain, "stream", breaking);
  server.tip = 10;
  const rounds = subscribe(t, client(chain, [server]), { from: 2 });
  await expect(rounds, 2, 10);
  server.tip = 12;
  await expect(rounds, 11, 12);
});

test("a dead server is survived by another", async (t) => {
  const chain = new Chain(30);
  const [dying, good] = [await TestServer.start(t, chain), await TestServer.start(t, chain)];
  dying.tip = good.tip = 10;
  const rounds = subscribe(t, client(chain, [dying, good]));
  await expect(rounds, 10, 10);
  dying.close();
  for (let tip = 11; tip <= 30; tip++) {
    good.tip = tip;
    await expect(rounds, tip, tip);
  }
});

const far = new Chain(400);
/** A pushed lie from round 11 on, and the reason for which its server is banned. */
const LIES = [
  ["nonsense", "bad-json", () => 'event: beacon\ndata: {"round": 11}\n\n'],
  ["an endless line", "too-long", () => `data: ${"x".repeat(200_000)}`],
  [
    "an output in front that differs",
    "inconsistent",
    (text) => text.replace(/"output":"[0-9a-f]{64}"/, `"output":"${"00".repeat(32)}"`),
  ],
  [
    "an output that nobody signed",
    "inconsistent",
    (text) => text.replace(/"output":"[0-9a-f]{64}"/g, `"output":"${"00".repeat(32)}"`),
  ],
  ["a round of the future", "future-round", () => event(far, 400)],
];

for (const [name, code, lie] of LIES) {
  test(`pushed ${name} is banned`, async (t) => {
    const chain = new Chain(20);
    const twist = (path, body) => {
      if (path.includes("stream")) return reply.ok(Buffer.from(lie(body.toString())));
      return path.includes("rounds?") ? reply.honest(undefined) : reply.honest(body);
    };
    const [liar, good] = [await TestServer.start(t, chain, twist), await TestServer.start(t, chain)];
    liar.tip = good.tip = 10;
    const known = client(chain, [liar, good]);
    const rounds = subscribe(t, known);
    await expect(rounds, 10, 10);
    const next = rounds.next();
    await connected(liar, good);
    liar.tip = 20;
    while (known.bans.length === 0) await new Promise(setImmediate);
    assert.deepEqual([known.bans[0].code, known.bans[0].from], [code, liar.url]);
    good.tip = 20;
    assert.equal((await next).value.round, 11n);
    await expect(rounds, 12, 20);
    assert.ok(rounds.events.some((event) => event.type === "banned" && event.refusal.from === liar.url));
  });
}

test("for each banned server the next one pushes", async (t) => {
  const chain = new Chain(12);
  const lie = () => reply.ok(Buffer.from("event: beacon\ndata: {}\n\n"));
  const liars = await Promise.all([1, 2, 3].map(() => TestServer.twisted(t, chain, "stream", lie)));
  const good = await TestServer.start(t, chain);
  for (const server of [...liars, good]) server.tip = 10;
  const known = client(chain, [...liars, good]);
  const rounds = subscribe(t, known);
  await expect(rounds, 10, 10);
  const next = rounds.next();
  await connected(...liars);
  for (const liar of liars) liar.tip = 11;
  await connected(good);
  good.tip = 12;
  assert.equal((await next).value.round, 11n);
  await expect(rounds, 12, 12);
});

test("a pushed fork is fatal", async (t) => {
  const chain = new Chain(20);
  const forked = new Chain(20, { fork: 11n });
  const [server, liar] = [await TestServer.start(t, chain), await TestServer.start(t, forked)];
  server.tip = liar.tip = 12;
  const clock = () => Number(chain.beacon(12).header.due);
  const rounds = subscribe(t, client(chain, [server, liar], { clock }));
  await expect(rounds, 12, 12);
  const next = rounds.next();
  await connected(server, liar);
  liar.tip = 13;
  const error = await next.then(assert.fail, (error) => error);
  assert.ok(error instanceof ConflictError, error);
  assert.deepEqual([error.trusted.round, error.offered.round], [12n, 13n]);
  assert.deepEqual(await rounds.next(), { value: undefined, done: true });
});

test("a pushed round that excludes a head trusted meanwhile is a conflict", async (t) => {
  const chain = new Chain(20);
  const quiet = (path, body) => {
    if (path.includes("stream")) return reply.silence();
    return reply.honest(path.includes("rounds?") ? undefined : body);
  };
  const server = await TestServer.start(t, chain, quiet);
  const liar = await TestServer.start(t, new Chain(20, { fork: 13n }));
  server.tip = liar.tip = 12;
  const clock = () => Number(chain.beacon(12).header.due);
  const known = client(chain, [server, liar], { clock });
  const rounds = subscribe(t, known);
  await expect(rounds, 12, 12);
  const next = rounds.next();
  await connected(server, liar);
  server.tip = 13;
  assert.deepEqual((await known.latest()).hash, headerHash(chain.beacon(13).header));
  liar.tip = 13;
  const error = await next.then(assert.fail, (error) => error);
  assert.ok(error instanceof ConflictError, error);
  assert.deepEqual([error.trusted.round, error.offered.round, error.from], [13n, 13n, liar.url]);
});

test("lateness is told in rounds", async (t) => {
  const chain = new Chain(20);
  const server = await TestServer.start(t, chain);
  server.tip = 10;
  // Three rounds later by the clock, and the server still stands where it did.
  const clock = () => Number(chain.beacon(13).header.due) + 2500;
  let told;
  const late = new Promise((resolve) => (told = resolve));
  const rounds = subscribe(t, client(chain, [server], { clock }), {
    onEvent: (event) => event.type === "late" && told(event),
  });
  await expect(rounds, 10, 10);
  const next = rounds.next();
  assert.deepEqual(await late, { type: "late", have: 10n, expected: 13n, behind: 3n });
  server.tip = 13;
  assert.equal((await next).value.round, 11n);
  await expect(rounds, 12, 13);
});

test("a subscription ends at once, also while it waits, and lets go of its streams", async (t) => {
  const chain = new Chain(5);
  const server = await TestServer.start(t, chain);
  const known = client(chain, [server]);
  const rounds = known.subscribe();
  await rounds.next();
  const waiting = rounds.next();
  await connected(server);
  await rounds.return();
  assert.equal((await waiting).done, true);
  const over = new AbortController();
  const other = known.subscribe({ signal: over.signal });
  await other.next();
  const last = other.next();
  over.abort();
  assert.equal((await last).done, true);
  for await (const beacon of known.subscribe({ from: 2 })) {
    assert.deepEqual(beacon.hash, headerHash(chain.beacon(2).header));
    break;
  }
});

test("events are cut wherever the bytes are", () => {
  const text = new TextEncoder().encode(
    ":hello\nevent: beacon\nid: 7\ndata: a\ndata:b\n\ndata\r\n\r\nevent:x\n\n: \r\n\ndata: z\n\n",
  );
  const expected = [null, { name: "beacon", data: "a\nb" }, { name: "", data: "" }, null, { name: "", data: "z" }];
  for (let cut = 0; cut <= text.length; cut++) {
    const parser = new SseParser();
    assert.deepEqual(
      [...parser.push(text.subarray(0, cut)), ...parser.push(text.subarray(cut))],
      expected,
      `cut at ${cut}`,
    );
  }
  const bytes = new SseParser();
  assert.deepEqual(
    [...text].flatMap((byte) => bytes.push(Uint8Array.of(byte))),
    expected,
  );
  const long = new SseParser();
  assert.throws(() => long.push(new Uint8Array(200_000).fill(97)), { code: "too-long" }, "a line without an end");
  const endless = new SseParser();
  assert.throws(
    () => {
      for (let n = 0; n < 200; n++) endless.push(new TextEncoder().encode(`data:${"a".repeat(1024)}\n`));
    },
    { code: "too-long" },
  );
});

test("a full queue holds up whoever sends, and a closed one lets everybody go", async () => {
  const queue = new Channel(2);
  const never = new AbortController().signal;
  const sent = [];
  const send = async (item) => sent.push([item, await queue.send(item)]);
  const all = [1, 2, 3, 4].map(send);
  await Promise.all(all.slice(0, 2));
  assert.deepEqual(sent, [
    [1, true],
    [2, true],
  ]);
  assert.equal(await queue.receive(0, never), 1);
  await all[2];
  assert.equal(sent.length, 3);
  queue.close();
  await all[3];
  assert.deepEqual(sent[3], [4, false]);
  const waiting = new Channel(1);
  const received = waiting.receive(3_600_000, never);
  await waiting.send("late");
  assert.equal(await received, "late");
});

test("delays double to a limit and jitter only shortens", () => {
  const full = new Backoff(() => 0);
  assert.deepEqual(
    Array.from({ length: 9 }, () => full.next()),
    [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000],
  );
  full.reset();
  assert.equal(full.next(), 250);
  assert.equal(new Backoff(() => 1).next(), 125);
});
