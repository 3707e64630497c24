/** The bundle does in Chromium what the package does in Node. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { toHex } from "../lib/bytes.js";
import { encodeBeacon, headerHash } from "../lib/chain.js";
import { expand } from "../lib/mix.js";
import { Page } from "./support/chromium.js";
import { Chain } from "./support/fabricate.js";
import { reply, TestServer } from "./support/server.js";

/** In the page: everything that a page would do. Results are texts, since whole numbers of 64 bits have no JSON. */
async function inPage(chain, servers, silentFirst, now) {
  const { Client, chosenBackend, webStorage } = await import("/beacon.js");
  const options = { chain, servers, storage: webStorage(), clock: () => now };
  const client = new Client(options);
  const newest = await client.latest();
  const past = await client.get(3);
  const all = [];
  for await (const { round } of client.range(1)) all.push(Number(round));
  const followed = [];
  for await (const beacon of client.subscribe({ from: 18 })) {
    followed.push(Number(beacon.round));
    if (beacon.round === 20n) break;
  }
  const again = await new Client({ ...options, servers: silentFirst }).latest();
  const wrong = await new Client({ ...options, chain: "00".repeat(32) })
    .latest()
    .catch(({ code, from }) => ({ code, from }));
  const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return {
    backend: await chosenBackend(),
    newest: [Number(newest.round), hex(newest.hash), newest.how.by],
    past: [Number(past.round), hex(past.hash), past.how.by],
    all,
    followed,
    expanded: hex(newest.expand("label", 40)),
    again: Number(again.round),
    at: Number(await client.roundAt(now)),
    wrong,
    bans: client.bans.map(({ code, from }) => [code, from]),
    stored: Object.keys(localStorage),
  };
}

test("the bundle verifies in Chromium", async (t) => {
  const chain = new Chain(20, { window: 2n, epochWindows: 4n });
  const hash = toHex(chain.chain);
  const page = await Page.open(t);
  const forged = structuredClone(chain.beacon(20));
  forged.header.output.fill(0);
  const liar = await TestServer.twisted(t, chain, "latest", () => reply.ok(encodeBeacon(forged)));
  const silent = await TestServer.twisted(t, chain, "", () => reply.silence());
  const redirecting = await TestServer.twisted(t, chain, "", () => reply.status(302, "Location: /elsewhere\r\n"));
  const good = await TestServer.start(t, chain);
  const servers = [liar, redirecting, good].map(({ url }) => url);
  const found = await page.evaluate(inPage, hash, servers, [silent.url, good.url], Number(chain.last.header.due));
  const rounds = (from) => Array.from({ length: 21 - from }, (_, at) => from + at);
  assert.deepEqual(found, {
    backend: "webcrypto",
    newest: [20, toHex(headerHash(chain.last.header)), "certificate"],
    past: [3, toHex(headerHash(chain.beacon(3).header)), "mmr-proof"],
    all: rounds(1),
    followed: rounds(18),
    expanded: toHex(expand(chain.last.header.output, "label", 40)),
    again: 20,
    at: 20,
    wrong: { code: "wrong-chain", from: liar.url },
    bans: [["bad-signature", liar.url]],
    stored: [`${hash}.state`],
  });
});
