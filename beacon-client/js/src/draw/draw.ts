/**
 * Draws that others can check: a commitment before the round is known, a result after it, and all of it again.
 *
 * What is drawn follows from the chain, the round's output, the rules and the list alone, so a draw committed to before
 * the round is due leaves nothing to choose. That it was published before then is for its readers to know.
 */

import { type Bytes, bytes32, equal, toHex, utf8 } from "../bytes.js";
import { verifyChainFile } from "../chainfile.js";
import { Refusal } from "../errors.js";
import { Hasher, TAG } from "../hash.js";
import { Json, jsonU64 } from "../json.js";
import type { Verified } from "../trust.js";
import { List } from "./list.js";
import { checkRules, drawBy, parseRules, type Rules, rulesText } from "./rules.js";
import { Stream } from "./sample.js";

const FORMAT = "beacon-draw/1";

/** A draw before its round: what is published, so that nothing can be chosen afterwards. */
export interface Commitment {
  format: string;
  chain: Bytes;
  round: bigint;
  /** When the round is due, Unix milliseconds. */
  due: bigint;
  rules: string;
  entries: bigint;
  /** The list hash. */
  list: Bytes;
  /** The draw hash over all of the above but the due time, which follows from chain and round. */
  draw: Bytes;
}

/** A draw after its round, with everything that checks it. */
export interface Outcome {
  commitment: Commitment;
  /** The list as it was committed to, one entry a line. */
  list: string;
  output: Bytes;
  results: string[];
  /** A bundle that proves the round from the chain hash. */
  proof: Bytes;
}

/** The draw hash. [draw-7] */
function drawHash(of: Pick<Commitment, "chain" | "round" | "rules" | "list">): Bytes {
  return new Hasher(TAG.draw).fixed(of.chain).u64(of.round).framed(utf8(of.rules)).fixed(of.list).finish();
}

/** Commits to a draw from a round and its due time, which the caller has from a client and the schedule. */
export function commit(
  chain: Uint8Array | string,
  round: bigint,
  due: bigint,
  rules: Rules | string,
  list: List,
): Commitment {
  const wanted = typeof rules === "string" ? parseRules(rules) : rules;
  checkRules(wanted, list);
  const base = {
    format: FORMAT,
    chain: bytes32(chain, "a chain hash"),
    round,
    due,
    rules: rulesText(wanted),
    entries: BigInt(list.entries.length),
    list: list.hash(),
  };
  return { ...base, draw: drawHash(base) };
}

/** Judges a commitment that was read: format, the list that it names, rules, and draw hash. */
export function checkCommitment(commitment: Commitment, list: List): Rules {
  const refused = (code: "unknown-version" | "inconsistent", field: string) =>
    new Refusal(code, { what: "draw commitment", field });
  if (commitment.format !== FORMAT) throw refused("unknown-version", "format");
  if (!equal(commitment.list, list.hash()) || commitment.entries !== BigInt(list.entries.length)) {
    throw refused("inconsistent", "list");
  }
  const rules = parseRules(commitment.rules);
  checkRules(rules, list);
  if (!equal(commitment.draw, drawHash(commitment))) throw refused("inconsistent", "draw");
  return rules;
}

/** What the round's output draws. The beacon must be of the round and chain committed to. */
export function draw(commitment: Commitment, list: List, beacon: Verified): string[] {
  const rules = checkCommitment(commitment, list);
  const { header } = beacon;
  const what = "draw commitment";
  if (!equal(header.chain, commitment.chain)) throw new Refusal("wrong-chain", { what, field: "chain" });
  if (header.round !== commitment.round) throw new Refusal("wrong-round", { what, field: "round" });
  if (header.due !== commitment.due) throw new Refusal("wrong-due-time", { what, field: "due" });
  return drawBy(rules, list, new Stream(header.output, commitment.draw));
}

/**
 * Verifies everything again from the chain hash, which the reader has from elsewhere: the bundle, the commitment, the
 * list, and every result. Gives the beacon.
 */
export async function checkOutcome(outcome: Outcome, chain: Uint8Array | string): Promise<Verified> {
  const what = "draw";
  const { head } = await verifyChainFile(outcome.proof, chain);
  const list = List.parse(outcome.list);
  if (list.toText() !== outcome.list) throw new Refusal("inconsistent", { what, field: "list" });
  const results = draw(outcome.commitment, list, head);
  if (!equal(outcome.output, head.output)) {
    throw new Refusal("wrong-output", {
      what,
      field: "output",
      expected: toHex(head.output),
      found: toHex(outcome.output),
    });
  }
  const same =
    results.length === outcome.results.length && results.every((result, at) => result === outcome.results[at]);
  if (!same) throw new Refusal("inconsistent", { what, field: "results" });
  return head;
}

function readCommitment(json: Json): Commitment {
  return {
    format: json.text("format"),
    chain: json.hex("chain", 32),
    round: json.u64("round"),
    due: json.u64("due"),
    rules: json.text("rules"),
    entries: json.u64("entries"),
    list: json.hex("list", 32),
    draw: json.hex("draw", 32),
  };
}

/** Reads a commitment; `bad-json` names the field. */
export function commitmentFromJson(text: string): Commitment {
  return readCommitment(Json.parse(text));
}

export function commitmentToJson(commitment: Commitment): object {
  return {
    ...commitment,
    chain: toHex(commitment.chain),
    round: jsonU64(commitment.round),
    due: jsonU64(commitment.due),
    entries: jsonU64(commitment.entries),
    list: toHex(commitment.list),
    draw: toHex(commitment.draw),
  };
}

/** Reads a result as `beacon draw run` writes it; `bad-json` names the field. */
export function outcomeFromJson(text: string): Outcome {
  const json = Json.parse(text);
  return {
    commitment: readCommitment(json.object("commitment")),
    list: json.text("list"),
    output: json.hex("output", 32),
    results: json.texts("results"),
    proof: json.hex("proof"),
  };
}
