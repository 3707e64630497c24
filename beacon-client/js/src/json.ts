/** The JSON form of a beacon, as servers push it. [codec-3] */

import { type Bytes, equal, fromHex, MAX_U64, toHex } from "./bytes.js";
import { type Beacon, type Header, headerHash } from "./chain.js";
import { Refusal } from "./errors.js";

const EXACT = 1n << 53n;
const CANONICAL = /^(?:0|[1-9][0-9]*)$/;

type Fields = Record<string, unknown>;

function bad(field: string): Refusal {
  return new Refusal("bad-json", { field });
}

/** Reads fields of a JSON object by their names. */
export class Json {
  readonly #fields: Fields;

  constructor(
    value: unknown,
    readonly path = "",
  ) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(path || "value");
    this.#fields = value as Fields;
  }

  static parse(text: string): Json {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      throw bad("value");
    }
    return new Json(value);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#fields, name) ? this.#fields[name] : undefined;
  }

  object(name: string): Json {
    return new Json(this.#get(name), this.#path(name));
  }

  #path(name: string): string {
    return this.path === "" ? name : `${this.path}.${name}`;
  }

  text(name: string): string {
    const value = this.#get(name);
    if (typeof value !== "string") throw bad(this.#path(name));
    return value;
  }

  texts(name: string): string[] {
    const value = this.#get(name);
    if (!Array.isArray(value) || value.some((entry) => typeof entry !== "string")) throw bad(this.#path(name));
    return value as string[];
  }

  /** A number up to 2^53, or a canonical decimal string. */
  u64(name: string): bigint {
    const value = this.#get(name);
    if (typeof value === "number" && Number.isInteger(value) && value >= 0 && BigInt(value) <= EXACT) {
      return BigInt(value);
    }
    const number = typeof value === "string" && value.length <= 20 && CANONICAL.test(value) ? BigInt(value) : -1n;
    if (number < 0n || number > MAX_U64) throw bad(this.#path(name));
    return number;
  }

  /** A number below `end`. */
  number(name: string, end: number): number {
    const value = this.#get(name);
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value >= end) throw bad(this.#path(name));
    return value;
  }

  hex(name: string, length?: number): Bytes {
    try {
      return fromHex(this.text(name), length);
    } catch {
      throw bad(this.#path(name));
    }
  }

  hexes(name: string, length: number): Bytes[] {
    try {
      return this.texts(name).map((text) => fromHex(text, length));
    } catch {
      throw bad(this.#path(name));
    }
  }
}

function readHeader(json: Json): Header {
  return {
    version: json.number("version", 1 << 16),
    chain: json.hex("chain", 32),
    round: json.u64("round"),
    due: json.u64("due"),
    previous: json.hex("previous", 32),
    epoch: json.u64("epoch"),
    committee: json.hex("committee", 32),
    nextCommittee: json.hex("next_committee", 32),
    window: json.u64("window"),
    dealingSet: json.hex("dealing_set", 32),
    weight: json.u64("weight"),
    contributors: json.number("contributors", 2 ** 32),
    mmr: json.hex("mmr", 32),
    output: json.hex("output", 32),
  };
}

/** Reads the JSON of one beacon and holds the fields in front against its header. Nothing is verified by that. */
export function beaconFromJson(text: string): Beacon {
  try {
    const json = Json.parse(text);
    const header = readHeader(json.object("header"));
    const certificate = json.object("certificate");
    const same = {
      round: json.u64("round") === header.round,
      due: json.u64("due") === header.due,
      output: equal(json.hex("output", 32), header.output),
      hash: equal(json.hex("hash", 32), headerHash(header)),
    };
    for (const [field, holds] of Object.entries(same)) {
      if (!holds) throw new Refusal("inconsistent", { field });
    }
    return {
      header,
      certificate: { bitmap: certificate.hex("bitmap"), signatures: certificate.hexes("signatures", 64) },
    };
  } catch (error) {
    throw error instanceof Refusal ? error.of("beacon in JSON") : error;
  }
}

/** A number as JSON carries it. */
export function jsonU64(value: bigint): number | string {
  return value > EXACT ? value.toString() : Number(value);
}

/** The JSON form of a beacon. */
export function beaconToJson(beacon: Beacon): object {
  const { header, certificate } = beacon;
  return {
    round: jsonU64(header.round),
    hash: toHex(headerHash(header)),
    due: jsonU64(header.due),
    output: toHex(header.output),
    header: {
      version: header.version,
      chain: toHex(header.chain),
      round: jsonU64(header.round),
      due: jsonU64(header.due),
      previous: toHex(header.previous),
      epoch: jsonU64(header.epoch),
      committee: toHex(header.committee),
      next_committee: toHex(header.nextCommittee),
      window: jsonU64(header.window),
      dealing_set: toHex(header.dealingSet),
      weight: jsonU64(header.weight),
      contributors: header.contributors,
      mmr: toHex(header.mmr),
      output: toHex(header.output),
    },
    certificate: { bitmap: toHex(certificate.bitmap), signatures: certificate.signatures.map(toHex) },
  };
}
