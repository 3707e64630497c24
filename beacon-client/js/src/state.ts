/**
 * The trusted head between runs, in the form of the `beacon` command: one small record a chain. It holds nothing
 * secret, but whoever can write it decides what this client trusts.
 */

import { type Bytes, concat, equal, toHex } from "./bytes.js";
import { type Beacon, encodeBeacon, readBeacon } from "./chain.js";
import { decode, type Reader, Writer } from "./codec.js";
import { encodeSignerList, readSignerList, type SignerList } from "./committee.js";
import { Refusal } from "./errors.js";
import { type LightGenesis, readLightGenesis, writeLightGenesis } from "./genesis.js";
import { Hasher, TAG } from "./hash.js";
import { Trust } from "./trust.js";

/** Where records are kept, by name. Both may be asynchronous; a write replaces the record as a whole. */
export interface Storage {
  read(name: string): Promise<Uint8Array | undefined> | Uint8Array | undefined;
  write(name: string, bytes: Uint8Array): Promise<void> | void;
}

/** Records that end with the page or the process. */
export function memoryStorage(): Storage {
  const records = new Map<string, Uint8Array>();
  return {
    read: (name) => records.get(name)?.slice(),
    write: (name, bytes) => void records.set(name, bytes.slice()),
  };
}

/** The part of `localStorage` that is used. */
export interface TextStore {
  getItem(name: string): string | null;
  setItem(name: string, text: string): void;
}

/** Records in `localStorage` or another store of text, in base64. */
export function webStorage(store: TextStore = localStorage): Storage {
  return {
    read(name) {
      const text = store.getItem(name);
      if (text === null) return undefined;
      try {
        return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      } catch {
        // Text that is no base64 is a record that somebody damaged.
        return new Uint8Array(0);
      }
    },
    write(name, bytes) {
      store.setItem(name, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")));
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

async function load(storage: Storage, chain: Bytes): Promise<StateRecord | undefined> {
  const name = nameOf(chain);
  const bytes = await storage.read(name);
  if (bytes === undefined) return undefined;
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
  throw new Refusal("corrupt-state", { what }).by(name);
}

/** The stored trust, verified again, and when its head was accepted; nothing if there is none. */
export async function loadTrust(
  storage: Storage,
  chain: Bytes,
): Promise<{ trust: Trust; accepted: bigint } | undefined> {
  const record = await load(storage, chain);
  if (record === undefined) return undefined;
  try {
    const genesis = writeLightGenesis(new Writer(), record.genesis).done();
    return { trust: await Trust.restore(genesis, chain, record.signers, record.head), accepted: record.accepted };
  } catch (error) {
    throw error instanceof Refusal ? error.by(nameOf(chain)) : error;
  }
}

/** Stores a head with the server it came from. A newer head stored meanwhile by another client stays. */
export async function saveTrust(storage: Storage, trust: Trust, now: bigint, server: string): Promise<void> {
  if (trust.head === null) return;
  const before = await load(storage, trust.chain);
  const older = before !== undefined && trust.round <= before.head.header.round;
  if (older && before.servers.includes(server)) return;
  const record: StateRecord = older
    ? before
    : { genesis: trust.genesis, signers: trust.signers.list, head: trust.head.beacon, accepted: now, servers: [] };
  const others = (before?.servers ?? []).filter((known) => known !== server);
  const body = encodeRecord({ ...record, servers: [server, ...others].slice(0, MAX_SERVERS) });
  await storage.write(nameOf(trust.chain), concat(MAGIC, sumOf(body), body));
}
