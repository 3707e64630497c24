/** The frozen vectors of the specification, read as `specs/README.md` says. */

import { readFileSync } from "node:fs";

import { fromHex } from "../../lib/bytes.js";
import { Refusal } from "../../lib/errors.js";
import { Schedule } from "../../lib/schedule.js";

const FOLDER = new URL("../../../../specs/vectors/", import.meta.url);

export const load = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));

/** Hexadecimal, in which (00)*5; stands for 0000000000. */
export const unhex = (text) =>
  fromHex(text.replace(/\(([0-9a-f]*)\)\*(\d+);/g, (_, part, times) => part.repeat(Number(times))));

export const scheduleOf = (json) =>
  new Schedule({
    genesisTime: BigInt(json.genesis_time),
    period: BigInt(json.period),
    window: BigInt(json.window),
    epochWindows: BigInt(json.epoch_windows),
  });

/** The inputs of a case, shared ones put in. */
export class Inputs {
  constructor(given, shared) {
    this.get = (name) => {
      const value = given[name];
      return typeof value === "string" && value.startsWith("@") ? shared[value.slice(1)] : value;
    };
  }

  hex(name) {
    return unhex(this.get(name));
  }

  number(name) {
    return BigInt(this.get(name));
  }

  get schedule() {
    return scheduleOf(this.get("schedule"));
  }
}

/** The verdict of a judgement: what it gives, and `ok` or the name of the reason. */
export async function verdict(judge) {
  try {
    return { ...(await judge()), verdict: "ok" };
  } catch (error) {
    if (error instanceof Refusal) return { verdict: error.code };
    throw error;
  }
}
