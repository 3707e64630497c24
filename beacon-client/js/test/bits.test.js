/** Every bit flip and every truncation of what a server sends is refused, with a reason. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { encodeBeacon } from "../lib/chain.js";
import { Refusal } from "../lib/index.js";
import { judgeSigners, Trust } from "../lib/trust.js";
import { answer, Chain } from "./support/fabricate.js";

const five = new Chain(5);

test("every flipped bit and every truncation of the newest beacon is refused", async () => {
  const trust = Trust.open(five.genesisBytes, five.chain);
  const reasons = new Set();
  const judge = async (bytes) => trust.certified(trust.readBeacon(bytes, 5n));
  const good = encodeBeacon(five.last);
  await judge(good);
  const rejected = async (bytes, what) => {
    const error = await judge(bytes).then(
      () => assert.fail(`${what} is accepted`),
      (error) => error,
    );
    assert.ok(error instanceof Refusal && error.what, `${what}: ${error}`);
    reasons.add(error.code);
  };
  for (let bit = 0; bit < good.length * 8; bit++) {
    const changed = good.slice();
    changed[bit >> 3] ^= 1 << (bit & 7);
    await rejected(changed, `bit ${bit}`);
  }
  for (let length = 0; length < good.length; length++) await rejected(good.subarray(0, length), `${length} bytes`);
  await rejected(Buffer.concat([good, Buffer.of(0)]), "one byte more");
  for (const code of [
    "wrong-chain",
    "wrong-round",
    "wrong-due-time",
    "wrong-epoch",
    "wrong-committee",
    "wrong-window",
  ]) {
    assert.ok(reasons.has(code), code);
  }
  for (const code of ["bad-signature", "bad-bitmap", "unknown-version", "malformed", "trailing-bytes", "bad-count"]) {
    assert.ok(reasons.has(code), code);
  }
});

test("flipped bits and truncations of sixteen members, of a proof, a genesis and a signer list are refused", async () => {
  const chain = new Chain(20, { weights: Array(16).fill(1n) });
  const trust = Trust.open(chain.genesisBytes, chain.chain);
  const headed = trust.withHead(await trust.certified(chain.last));
  const spoil = async (bytes, step, judge) => {
    await judge(bytes);
    for (let bit = 0; bit < bytes.length * 8; bit += step) {
      const changed = bytes.slice();
      changed[bit >> 3] ^= 1 << (bit & 7);
      await assert.rejects(async () => judge(changed), Refusal, `bit ${bit}`);
    }
    for (let length = 0; length < bytes.length; length += step) {
      await assert.rejects(async () => judge(bytes.subarray(0, length)), Refusal, `${length} bytes`);
    }
  };
  await spoil(encodeBeacon(chain.last), 7, async (bytes) => trust.certified(trust.readBeacon(bytes, 20n)));
  await spoil(answer(chain, 20, "/beacon/rounds/6/proof?head=20"), 1, (bytes) => headed.prove(chain.beacon(6), bytes));
  await spoil(chain.genesisBytes, 11, (bytes) => Trust.open(bytes, chain.chain));
  const list = answer(chain, 20, "/beacon/committee?epoch=1");
  await spoil(list, 11, (bytes) => judgeSigners(bytes, 1n, trust.signers.hash));
});
