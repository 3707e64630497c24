/** Chain files and bundles verify from the chain hash alone; whatever is changed, left out or moved is refused. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { headerHash } from "../lib/chain.js";
import { Client, verifyChainFile } from "../lib/index.js";
import { Chain } from "./support/fabricate.js";
import { assemble, bundle, exportParts } from "./support/files.js";

const chain = new Chain(20, { window: 2n, epochWindows: 4n });
const parts = exportParts(chain);
const file = assemble(parts);
const verify = (bytes, known) => verifyChainFile(bytes, chain.chain, known);

async function* pieces(bytes, width) {
  for (let at = 0; at < bytes.length; at += width) yield bytes.subarray(at, at + width);
}

test("an export verifies, whole and in pieces", async () => {
  for (const input of [file, pieces(file, 1), pieces(file, 271), pieces(file, 1 << 16)]) {
    const { head, first, headers, certificates } = await verify(input);
    assert.deepEqual([head.round, first, headers, certificates], [20n, 1n, 20n, 3]);
    assert.deepEqual(head.hash, headerHash(chain.last.header));
  }
});

test("a bundle verifies", async () => {
  const { head, beacons, headers } = await verify(bundle(chain, 13n));
  assert.deepEqual([head.round, headers, beacons.map(({ round }) => round)], [13n, 0n, [13n]]);
  const offline = new Client({ chain: chain.chain, servers: ["http://127.0.0.1:1"] });
  assert.equal((await offline.verifyFile(bundle(chain, 13n))).head.round, 13n);
  const checkpoint = { round: 13, hash: headerHash(chain.beacon(12).header) };
  const other = new Client({ chain: chain.chain, servers: ["http://127.0.0.1:1"], checkpoint });
  await assert.rejects(other.verifyFile(bundle(chain, 13n)), { code: "conflict" });
  await assert.rejects(other.verifyFile(file), { code: "conflict" });
});

test("every truncation and every flipped bit is refused", async () => {
  for (let length = 0; length < file.length; length += 97) {
    await assert.rejects(verify(file.subarray(0, length)), { name: "Refusal" }, `${length} bytes`);
  }
  for (let bit = 0; bit < file.length * 8; bit += 809) {
    const changed = file.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    await assert.rejects(verify(changed), { name: "Refusal" }, `bit ${bit}`);
  }
  await assert.rejects(verify(Buffer.concat([file, Buffer.of(0)])), { code: "trailing-bytes" });
});

test("parts that prove nothing are refused", async () => {
  const without = (index) => assemble(parts.filter((_, at) => at !== index));
  const swapped = (index) =>
    assemble(parts.map((part, at) => parts[at === index ? at + 1 : at === index + 1 ? at - 1 : at]));
  for (let index = 0; index < parts.length; index++) {
    await assert.rejects(verify(without(index)), { name: "Refusal" }, `without part ${index}`);
    if (index + 1 < parts.length)
      await assert.rejects(verify(swapped(index)), { name: "Refusal" }, `parts ${index} swapped`);
  }
  await assert.rejects(verify(new TextEncoder().encode("hello, world")), { code: "not-a-chain-file" });
  await assert.rejects(verify(assemble([parts[0]])), { code: "bad-chain-file" });
  await assert.rejects(verify(assemble([...parts, ["X", new Uint8Array(0)]])), { code: "bad-chain-file" });
  await assert.rejects(verify(assemble([...parts, parts[0]])), { code: "bad-chain-file" });
  await assert.rejects(verifyChainFile(file, "00".repeat(32)), { code: "wrong-chain" });
  const counts = file.slice();
  for (const last of [1, 9]) {
    counts[file.length - last] ^= 1;
    await assert.rejects(verify(counts), { code: "bad-chain-file" }, "an end mark with other counts");
    counts[file.length - last] ^= 1;
  }
  const claims = assemble(parts).slice();
  new DataView(claims.buffer).setUint32(9, 0xffffffff);
  await assert.rejects(verify(claims), { code: "too-long" });
});
