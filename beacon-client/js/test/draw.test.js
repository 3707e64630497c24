/** Draws: the shared vectors, and that every change of a result is refused. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { toHex } from "../lib/bytes.js";
import { commit, checkOutcome, commitmentFromJson, commitmentToJson, outcomeFromJson } from "../lib/draw/draw.js";
import { List } from "../lib/draw/list.js";
import { checkRules, drawBy, parseRules } from "../lib/draw/rules.js";
import { Stream } from "../lib/draw/sample.js";
import { Chain } from "./support/fabricate.js";
import { bundle } from "./support/files.js";
import { Inputs, load, verdict } from "./support/vectors.js";

const KINDS = {
  "draw-list": (i) => {
    const list = List.parse(i.hex("list"));
    return { entries: list.entries.length, hash: toHex(list.hash()), text: list.toText(), weighted: list.weighted };
  },
  draw: (i) => {
    const rules = parseRules(i.get("rules"));
    const list = List.parse(i.get("text"));
    checkRules(rules, list);
    const made = commit(i.hex("chain"), i.number("round"), 0n, rules, list);
    const results = drawBy(rules, list, new Stream(i.hex("output"), made.draw));
    return { list: toHex(made.list), draw: toHex(made.draw), results };
  },
};

test("draw.json", async () => {
  const { cases, shared } = load("draw");
  for (const { kind, name, in: given, out } of cases) {
    assert.deepEqual(await verdict(() => KINDS[kind](new Inputs(given, shared))), out, `${kind}: ${name}`);
  }
  assert.ok(cases.length > 100);
});

test("every change of an outcome is refused", async () => {
  const chain = new Chain(10, { epochWindows: 4n });
  const { header } = chain.beacon(9);
  const list = List.parse("Ada\nBengt\nChloe\nDora\nEmil");
  const rules = parseRules("pick 2");
  const commitment = commit(chain.chain, 9n, header.due, rules, list);
  const results = drawBy(rules, list, new Stream(header.output, commitment.draw));
  const good = {
    commitment: commitmentToJson(commitment),
    list: list.toText(),
    output: toHex(header.output),
    results,
    proof: toHex(bundle(chain, 9n)),
  };
  assert.deepEqual(commitmentFromJson(JSON.stringify(good.commitment)), commitment);
  const check = (outcome, hash = toHex(chain.chain)) => checkOutcome(outcomeFromJson(JSON.stringify(outcome)), hash);
  assert.equal((await check(good)).round, 9n);
  await assert.rejects(check(good, "00".repeat(32)), { code: "wrong-chain" });
  const changes = {
    "the order": (outcome) => outcome.results.reverse(),
    "a result less": (outcome) => outcome.results.pop(),
    "the output": (outcome) => (outcome.output = "00".repeat(32)),
    "a name": (outcome) => (outcome.list = outcome.list.replace("Emil", "Eve")),
    "another spelling of the list": (outcome) => (outcome.list += "\n"),
    "the rules": (outcome) => (outcome.commitment.rules = "pick 3"),
    "the round": (outcome) => (outcome.commitment.round = 8),
    "the due time": (outcome) => (outcome.commitment.due += 1),
    "the draw hash": (outcome) => (outcome.commitment.draw = "00".repeat(32)),
    "the format": (outcome) => (outcome.commitment.format = "beacon-draw/2"),
    "the proof": (outcome) => (outcome.proof = outcome.proof.replace(/^(.{600})./, (_, head) => `${head}x`)),
  };
  for (const [name, change] of Object.entries(changes)) {
    const outcome = structuredClone(good);
    change(outcome);
    await assert.rejects(async () => check(outcome), { name: "Refusal" }, name);
  }
  // With rules, list and draw hash changed together the results do not fit the output any more.
  const other = List.parse("Eve\nMallory");
  const forged = {
    ...good,
    commitment: commitmentToJson(commit(chain.chain, 9n, header.due, rules, other)),
    list: other.toText(),
  };
  const verdicts = [
    ["Eve", "Mallory"],
    ["Mallory", "Eve"],
  ].map((results) => verdict(() => check({ ...forged, results })));
  const right = (await Promise.all(verdicts)).filter(({ verdict }) => verdict === "ok");
  assert.equal(right.length, 1, "exactly one order is right");
});
