/** What to draw, in its canonical text, which the draw hash covers. */

import { MAX_U64, toHex } from "../bytes.js";
import { Refusal } from "../errors.js";
import type { List } from "./list.js";
import type { Stream } from "./sample.js";

/** The most that one draw gives: entries, dice, numbers or bytes. */
const MAX_RESULTS = 1_000_000n;
const [MIN_I64, MAX_I64] = [-(1n << 63n), (1n << 63n) - 1n];

export type Rules =
  /** `count` entries of the list without repetition, in the order drawn; by weight if they have any. */
  | { kind: "pick"; count: bigint }
  /** All entries in a random order. */
  | { kind: "shuffle" }
  | { kind: "dice"; count: bigint; sides: bigint }
  /** `count` numbers from `low` to `high`, both included. */
  | { kind: "range"; low: bigint; high: bigint; count: bigint }
  | { kind: "bytes"; count: bigint };

const FORMS: [RegExp, (...numbers: bigint[]) => Rules][] = [
  [/^pick (\d+)$/, (count) => ({ kind: "pick", count: count! })],
  [/^shuffle$/, () => ({ kind: "shuffle" })],
  [/^dice (\d+)d(\d+)$/, (count, sides) => ({ kind: "dice", count: count!, sides: sides! })],
  [
    /^range (-?\d+)\.\.(-?\d+) times (\d+)$/,
    (low, high, count) => ({ kind: "range", low: low!, high: high!, count: count! }),
  ],
  [/^bytes (\d+)$/, (count) => ({ kind: "bytes", count: count! })],
];

/** The canonical text. */
export function rulesText(rules: Rules): string {
  switch (rules.kind) {
    case "pick":
      return `pick ${rules.count}`;
    case "shuffle":
      return "shuffle";
    case "dice":
      return `dice ${rules.count}d${rules.sides}`;
    case "range":
      return `range ${rules.low}..${rules.high} times ${rules.count}`;
    case "bytes":
      return `bytes ${rules.count}`;
  }
}

/** Reads the canonical text and no other spelling. [draw-5] */
export function parseRules(text: string): Rules {
  for (const [form, make] of text.length < 100 ? FORMS : []) {
    const match = form.exec(text);
    if (match === null) continue;
    const rules = make(...match.slice(1).map(BigInt));
    if (rulesText(rules) === text && inRange(rules)) return rules;
  }
  throw new Refusal("malformed", { what: `rules ${JSON.stringify(text.slice(0, 100))}` });
}

function inRange(rules: Rules): boolean {
  const unsigned = (value: bigint) => value >= 0n && value <= MAX_U64;
  const signed = (value: bigint) => value >= MIN_I64 && value <= MAX_I64;
  if (rules.kind === "shuffle") return true;
  if (rules.kind === "dice") return unsigned(rules.count) && unsigned(rules.sides);
  return unsigned(rules.count) && (rules.kind !== "range" || (signed(rules.low) && signed(rules.high)));
}

/** Refuses rules that ask for nothing, for too much, or for more than the list has. [draw-6] */
export function checkRules(rules: Rules, list: List): void {
  const refused = (code: "malformed" | "bad-count" | "bad-parameter", why: string) =>
    new Refusal(code, { what: `rules ${JSON.stringify(rulesText(rules))}: ${why}`, field: null });
  if (!inRange(rules)) throw refused("malformed", "a number out of range");
  const entries = BigInt(list.entries.length);
  const takesList = rules.kind === "pick" || rules.kind === "shuffle";
  if (takesList !== entries > 0n) throw refused("bad-count", takesList ? "a list is needed" : "they take no list");
  if (rules.kind === "pick" && rules.count > entries) throw refused("bad-count", `the list has ${entries} entries`);
  if (rules.kind === "shuffle" && list.weighted) throw refused("bad-parameter", "a shuffle takes no weights");
  if (rules.kind === "range" && rules.low > rules.high) throw refused("bad-parameter", "the range is empty");
  if (rules.kind === "dice" && rules.sides === 0n) throw refused("bad-parameter", "dice have sides");
  const results = rules.kind === "shuffle" ? entries : rules.count;
  if (results < 1n || results > MAX_RESULTS) throw refused("bad-count", `1 to ${MAX_RESULTS} results can be drawn`);
}

/** Draws by rules that `checkRules` accepts for this list. [draw-12] */
export function drawBy(rules: Rules, list: List, stream: Stream): string[] {
  const times = (count: bigint, one: () => bigint) => Array.from({ length: Number(count) }, () => one().toString());
  switch (rules.kind) {
    case "pick":
      return list.pick(Number(rules.count), stream);
    case "shuffle":
      return list.pick(list.entries.length, stream);
    case "dice":
      return times(rules.count, () => 1n + stream.below(rules.sides));
    case "range":
      return times(rules.count, () => rules.low + stream.below(rules.high - rules.low + 1n));
    case "bytes":
      return [toHex(stream.bytes(Number(rules.count)))];
  }
}
