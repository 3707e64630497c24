/**
 * The trusted head between runs, in the form of the `beacon` command: one small record a chain. It holds nothing
 * secret, but whoever can write it decides what this client trusts.
 */

import { type Bytes, concat, equal, toHex } from "./bytes.js";
import { type Beacon, conflicting, encodeBeacon, headerHash, readBeacon } from "./chain.js";
import { decode, type Reader, Writer } from "./codec.js";
import { encodeSignerList, readSignerList, type SignerList } from "./committee.js";
import { ConflictError, Refusal } from "./errors.js";
import { type LightGenesis, readLightGenesis, writeLightGenesis } from "./genesis.js";
import { Hasher, TAG } from "./hash.js";
import { Trust, type Verified } from "./trust.js";

/** Where records are kept, by name. Both may be asynchronous. */
export interface Storage {
  read(name: string): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  /**
   * Puts `bytes` in the place of a record that still is what `before` says, as a whole; tells whether it was. Whoever
   * comes too late finds out, so that of two clients neither undoes what the other stored.
   */
  replace(name: string, bytes: Uint8Array, before: Uint8Array | undefined): Promise<boolean> | boolean;
}

/** Whether two records are the same, or both not there. */
export function same(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === undefined || other === undefined ? one === other : equal(one, other);
}

/** Records that end with the page or the process. */
export function memoryStorage(): Storage {
  const records = new Map<string, Uint8Array>();
  return {
    read: (name) => records.get(name)?.slice(),
    replace(name, bytes, before) {
      if (!same(records.get(name), before)) return false;
      records.set(name, bytes.slice());
      return true;
    },
  };
}

/** The part of `localStorage` that is used. */
export interface TextStore {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
}

/** Records in `localStorage` or another store of text, in base64. */
export function webStorage(store: TextStore = localStorage): Storage {
  function read(name: string): Uint8Array | undefined {
    const text = store.getItem(name);
    if (text === null) return undefined;
    try {
      return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    } catch {
      // Text that is no base64 is a record that somebody damaged.
      return new Uint8Array(0);
    }
  }
  return {
    read,
    replace(name, bytes, before) {
      if (!same(read(name), before)) return false;
      store.setItem(name, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")));
      return true;
    },
  };
}

const MAGIC = new TextEncoder().encode("BEACONSTATE1\n");
const LIMIT = 1 << 20;
/** Addresses kept for a chain; the oldest goes first. */
const MAX_SERVERS = 64;

interface StateRecord {
  genesis: LightGenesis;
  /** Of the head's epoch. */
  signers: SignerList;
  head: Beacon;
  /** The client's clock when the head was accepted, Unix milliseconds. */
  accepted: bigint;
  /** Servers that verified as this chain's. */
  servers: string[];
}

function readRecord(reader: Reader): StateRecord {
  return {
    genesis: readLightGenesis(reader),
    signers: readSignerList(reader),
    head: readBeacon(reader),
    accepted: reader.u64(),
    servers: reader.sequence(8, (r) => r.text()),
  };
}

function encodeRecord(record: StateRecord): Bytes {
  const writer = writeLightGenesis(new Writer(), record.genesis);
  writer.fixed(encodeSignerList(record.signers)).fixed(encodeBeacon(record.head)).u64(record.accepted);
  return writer.sequence(record.servers, (w, server) => w.text(server)).done();
}

const sumOf = (body: Uint8Array): Bytes => new Hasher(TAG.state).framed(body).finish();
const nameOf = (chain: Bytes): string => `${toHex(chain)}.state`;

/** The record in these bytes, which stand under the name of the chain. */
function parse(bytes: Uint8Array, chain: Bytes): StateRecord {
  const body = bytes.subarray(MAGIC.length + 32);
  try {
    const whole =
      equal(bytes.subarray(0, MAGIC.length), MAGIC) &&
      equal(bytes.subarray(MAGIC.length, MAGIC.length + 32), sumOf(body));
    if (whole) return decode(body, LIMIT, readRecord);
  } catch {
    // Refused below, like any other damage.
  }
  const what = "stored state; remove it to start again from the chain hash or a checkpoint";
  throw new Refusal("corrupt-state", { what }).by(nameOf(chain));
}

/** The stored trust, verified again, and when its head was accepted; nothing if there is none. */
export async function loadTrust(
  storage: Storage,
  chain: Bytes,
): Promise<{ trust: Trust; accepted: bigint } | undefined> {
  const bytes = await storage.read(nameOf(chain));
  if (bytes === undefined) return undefined;
  const record = parse(bytes, chain);
  try {
    const genesis = writeLightGenesis(new Writer(), record.genesis).done();
    return { trust: await Trust.restore(genesis, chain, record.signers, record.head), accepted: record.accepted };
  } catch (error) {
    throw error instanceof Refusal ? error.by(nameOf(chain)) : error;
  }
}

/**
 * Stores a head with the server it came from. A newer head stored meanwhile by another client stays; one of the same
 * round that differs is a conflict.
 */
export async function saveTrust(storage: Storage, trust: Trust, now: bigint, server: string): Promise<void> {
  const { head } = trust;
  if (head === null) return;
  const name = nameOf(trust.chain);
  let before: Uint8Array | undefined;
  let bytes: Uint8Array | undefined;
  do {
    before = await storage.read(name);
    const stored = before === undefined ? undefined : parse(before, trust.chain);
    bytes = renewed(stored, head, trust, now, server);
  } while (bytes !== undefined && !(await storage.replace(name, bytes, before)));
}

/** The record to be put in the place of `stored`; nothing if that may stay as it is. */
function renewed(
  stored: StateRecord | undefined,
  head: Verified,
  trust: Trust,
  now: bigint,
  server: string,
): Bytes | undefined {
  if (stored?.head.header.round === head.round && !equal(headerHash(stored.head.header), head.hash)) {
    throw new ConflictError(toHex(trust.chain), conflicting(stored.head.header), conflicting(head.header), server);
  }
  const older = stored !== undefined && head.round <= stored.head.header.round;
  if (older && stored.servers.includes(server)) return undefined;
  const record: StateRecord = older
    ? stored
    : { genesis: trust.genesis, signers: trust.signers.list, head: head.beacon, accepted: now, servers: [] };
  const others = (stored?.servers ?? []).filter((known) => known !== server);
  const body = encodeRecord({ ...record, servers: [server, ...others].slice(0, MAX_SERVERS) });
  return concat(MAGIC, sumOf(body), body);
}
