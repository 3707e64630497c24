/** The list of a draw, in one canonical form whatever editor wrote it. */

import { type Bytes, utf8 } from "../bytes.js";
import { Refusal } from "../errors.js";
import { Hasher, TAG } from "../hash.js";
import { type Stream, Weights } from "./sample.js";

const MAX_ENTRIES = 1_000_000;
const MAX_BYTES = 64 << 20;
const MAX_WEIGHT = 1_000_000;
const LF = 10;
const BLANKS = " \t";

export interface Entry {
  name: string;
  weight: number;
}

/** Without the blanks and tabs at both ends; nothing else is a blank here. */
function trim(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && BLANKS.includes(text[start]!)) start += 1;
  while (end > start && BLANKS.includes(text[end - 1]!)) end -= 1;
  return text.slice(start, end);
}

function decodeText(bytes: Uint8Array): string {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(bytes);
  } catch {
    throw new Refusal("malformed", { what: `line ${badLine(bytes)} of a list, which is not UTF-8` });
  }
}

/** The first line, counted by LF, that is no UTF-8: no letter of several bytes has an LF in it. */
function badLine(bytes: Uint8Array): number {
  for (let line = 1, start = 0; ; line++) {
    const end = bytes.indexOf(LF, start);
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(start, end < 0 ? bytes.length : end));
    } catch {
      return line;
    }
    if (end < 0) return line;
    start = end + 1;
  }
}

function lineOf(number: number, why: string): { what: string } {
  return { what: `line ${number} of a list: ${why}` };
}

/** The entry of a line, and whether it has a weight of its own. [draw-2] */
function parseLine(line: string, number: number): [Entry, boolean] {
  const tab = line.indexOf("\t");
  if (tab < 0) return [{ name: line, weight: 1 }, false];
  const weight = trim(line.slice(tab + 1));
  const value = /^[1-9][0-9]{0,6}$/.test(weight) ? Number(weight) : Infinity;
  if (value > MAX_WEIGHT) {
    const why = `a weight is a whole number from 1 to ${MAX_WEIGHT}, after the only tab`;
    throw new Refusal("bad-weight", lineOf(number, why));
  }
  return [{ name: trim(line.slice(0, tab)), weight: value }, true];
}

/** Refuses a name that stands twice. Nothing is normalized: what looks alike may be two entries. [draw-3] */
function refuseTwice(entries: readonly Entry[], numbers: readonly number[]): void {
  const seen = new Map<string, number>();
  entries.forEach(({ name }, at) => {
    const before = seen.get(name);
    if (before !== undefined) {
      const why = `${JSON.stringify(name)} stands in line ${before} already`;
      throw new Refusal("duplicate-entry", lineOf(numbers[at]!, why));
    }
    seen.set(name, numbers[at]!);
  });
}

/** A list in canonical form. */
export class List {
  private constructor(
    readonly entries: readonly Entry[],
    /** Whether the entries have weights of their own. */
    readonly weighted: boolean,
  ) {}

  static readonly empty = new List([], false);

  /** Reads a list; a refusal names the line. [draw-1] [draw-3] */
  static parse(list: Uint8Array | string): List {
    const bytes = typeof list === "string" ? utf8(list) : list;
    if (bytes.length > MAX_BYTES) throw new Refusal("too-long", { what: `a list of more than ${MAX_BYTES} bytes` });
    const entries: Entry[] = [];
    const numbers: number[] = [];
    let weighted: boolean | undefined;
    const lines = decodeText(bytes)
      .replace(/^\ufeff/, "")
      .split(/\r\n|\n|\r/);
    lines.forEach((text, at) => {
      const line = trim(text);
      if (line === "") return;
      const [entry, hasWeight] = parseLine(line, at + 1);
      weighted ??= hasWeight;
      if (weighted !== hasWeight) {
        throw new Refusal("mixed-weights", lineOf(at + 1, "either all entries have a weight or none"));
      }
      entries.push(entry);
      numbers.push(at + 1);
    });
    if (entries.length > MAX_ENTRIES) {
      throw new Refusal("bad-count", { what: `a list of more than ${MAX_ENTRIES} entries`, field: null });
    }
    refuseTwice(entries, numbers);
    return new List(entries, weighted ?? false);
  }

  /** The canonical text, which reads back as the same list. */
  toText(): string {
    return this.entries.map(({ name, weight }) => (this.weighted ? `${name}\t${weight}\n` : `${name}\n`)).join("");
  }

  /** The list hash. A list without weights is one in which all weigh 1. [draw-4] */
  hash(): Bytes {
    const hasher = new Hasher(TAG.drawList).u64(BigInt(this.entries.length));
    for (const { name, weight } of this.entries) hasher.framed(utf8(name)).u64(BigInt(weight));
    return hasher.finish();
  }

  /**
   * Picks without repetition, in the order drawn. Without weights: the first places of a Fisher-Yates shuffle. By
   * weight: each time the first entry left with which the sum of the weights exceeds a number below the weight left.
   * [draw-10] [draw-11]
   */
  pick(count: number, stream: Stream): string[] {
    if (this.weighted) {
      const left = new Weights(this.entries.map(({ weight }) => weight));
      return Array.from({ length: count }, () => this.entries[left.take(stream.numberBelow(left.total))]!.name);
    }
    const names = this.entries.map(({ name }) => name);
    for (let place = 0; place < count; place++) {
      const other = place + stream.numberBelow(names.length - place);
      [names[place], names[other]] = [names[other]!, names[place]!];
    }
    return names.slice(0, count);
  }
}
