/**
 * Chain files and offline bundles, as `beacon export` writes them, verified part by part.
 *
 * After the magic come parts, each a tag, a big-endian u32 length and so many bytes: `G` the light genesis, `H` headers
 * that follow the one before, `C` the certificate of the last header, `B` a beacon on its own certificate, `S` the next
 * epoch's signer list, `E` the counts of headers and parts, without which the file was cut.
 */

import { type Bytes, bytes32, concat, equal, toHex } from "./bytes.js";
import { type Beacon, BEACON_LIMIT, HEADER_BYTES, type Header, readCertificate, readHeader } from "./chain.js";
import { decode } from "./codec.js";
import { SIGNERS_LIMIT } from "./committee.js";
import { judging, Refusal } from "./errors.js";
import { GENESIS_LIMIT } from "./genesis.js";
import { Trust, type Verified } from "./trust.js";
import { Walk } from "./walk.js";

const MAGIC = new TextEncoder().encode("BEACON1\n");
/** Beacons on their own certificate that are kept for the report. */
const MAX_KEPT = 1024;

/** What a file proves. */
export interface Summary {
  /** The last certified header. */
  head: Verified;
  /** The first round of the last linked run, which reaches to the head without a gap. */
  first: bigint;
  /** Headers verified by hash links. */
  headers: bigint;
  certificates: number;
  /** Beacons that stand on their own certificate, hand-overs left out: the last 1024 of them. */
  beacons: Verified[];
}

/** A file: all of its bytes, or the pieces as they are read. */
export type FileBytes = Uint8Array | AsyncIterable<Uint8Array>;

function bad(what: string): Refusal {
  return new Refusal("bad-chain-file", { what });
}

/** Gives bytes of any length from pieces of any length. */
class Input {
  readonly #pieces: AsyncIterator<Uint8Array> | undefined;
  #rest: Uint8Array;

  constructor(file: FileBytes) {
    this.#pieces = file instanceof Uint8Array ? undefined : file[Symbol.asyncIterator]();
    this.#rest = file instanceof Uint8Array ? file : new Uint8Array(0);
  }

  /** Exactly so many bytes; nothing if there are fewer. */
  async take(count: number): Promise<Bytes | undefined> {
    const pieces = [this.#rest];
    let have = this.#rest.length;
    while (have < count) {
      const piece = await this.#pieces?.next();
      if (piece === undefined || piece.done === true) return undefined;
      pieces.push(piece.value);
      have += piece.value.length;
    }
    // A piece that holds it all is cut without being copied first: a file in memory is one piece.
    const all = pieces.length === 1 ? this.#rest : concat(...pieces);
    this.#rest = all.subarray(count);
    return new Uint8Array(all.slice(0, count));
  }

  async need(count: number): Promise<Bytes> {
    const bytes = await this.take(count);
    if (bytes === undefined) throw bad("the file ends before its end mark");
    return bytes;
  }
}

/** A header that the reader of a file trusts already. */
export interface Known {
  round: bigint;
  hash: Bytes;
}

/**
 * Verifies a whole file under the chain hash that the reader trusts. Nothing of it counts before this returns. Headers
 * that are trusted already must be those of the file, where it has them.
 */
export async function verifyChainFile(
  file: FileBytes,
  chain: Uint8Array | string,
  known: readonly Known[] = [],
): Promise<Summary> {
  const trusted = bytes32(chain, "a chain hash");
  const input = new Input(file);
  const magic = await input.take(MAGIC.length);
  if (magic === undefined || !equal(magic, MAGIC)) throw new Refusal("not-a-chain-file", { what: "first eight bytes" });
  const [tag, length] = await nextPart(input);
  if (tag !== "G") throw bad("the first part is not the genesis");
  const genesis = await partBytes(input, length, GENESIS_LIMIT, "light genesis");
  const reader = new FileReader(Trust.open(genesis, trusted), known);
  for (;;) {
    const [tag, length] = await nextPart(input);
    if (tag === "E") return reader.end(input, length);
    await reader.part(tag, length, input);
  }
}

async function nextPart(input: Input): Promise<[string, number]> {
  const head = await input.need(5);
  return [String.fromCharCode(head[0]!), new DataView(head.buffer).getUint32(1)];
}

async function partBytes(input: Input, length: number, limit: number, what: string): Promise<Bytes> {
  if (length > limit) throw new Refusal("too-long", { what });
  return input.need(length);
}

/** The state of a verification between two parts. */
class FileReader {
  #walk: Walk;
  /** The last header, while it waits for a certificate. */
  #open: Header | undefined;
  #head: Verified | undefined;
  #first = 1n;
  #headers = 0n;
  #parts = 1n;
  #certificates = 0;
  #beacons: Verified[] = [];

  constructor(
    private trust: Trust,
    private readonly known: readonly Known[],
  ) {
    this.#walk = new Walk(trust, trust.signers, { round: 0n, hash: trust.chain, nextCommittee: trust.signers.hash });
  }

  async part(tag: string, length: number, input: Input): Promise<void> {
    this.#parts += 1n;
    switch (tag) {
      case "H":
        return this.#takeHeaders(length, input);
      case "C":
        return this.#certificate(await partBytes(input, length, BEACON_LIMIT, "certificate"));
      case "B":
        return this.#beacon(await partBytes(input, length, BEACON_LIMIT, "beacon"));
      case "S":
        return this.#signers(await partBytes(input, length, SIGNERS_LIMIT, "signer list"));
      default:
        throw bad("a part of an unknown kind, or a second genesis");
    }
  }

  async #takeHeaders(length: number, input: Input): Promise<void> {
    if (length === 0 || length % HEADER_BYTES !== 0) throw bad("a run of headers of a broken length");
    for (let left = length; left > 0; left -= HEADER_BYTES) {
      const header = decode(await input.need(HEADER_BYTES), HEADER_BYTES, readHeader);
      this.#checkKnown(header.round, this.#walk.link(header));
      this.#open = header;
      this.#headers += 1n;
    }
  }

  #checkKnown(round: bigint, hash: Bytes): void {
    const known = this.known.find((header) => header.round === round);
    if (known === undefined || equal(known.hash, hash)) return;
    const what = `header of round ${round}, which is trusted already`;
    throw new Refusal("conflict", { what, field: "hash", expected: toHex(known.hash), found: toHex(hash) });
  }

  async #certificate(bytes: Bytes): Promise<void> {
    const header = this.#open;
    if (header === undefined) throw bad("a certificate without a header");
    this.#open = undefined;
    const what = `certificate of round ${header.round}`;
    await this.#certify({ header, certificate: judging(what, () => decode(bytes, BEACON_LIMIT, readCertificate)) });
  }

  async #certify(beacon: Beacon): Promise<Verified> {
    this.#head = await this.trust.certified(beacon);
    this.#certificates += 1;
    return this.#head;
  }

  async #beacon(bytes: Bytes): Promise<void> {
    if (this.#open !== undefined) throw bad("headers without a certificate before a beacon");
    const beacon = this.trust.readBeacon(bytes);
    const { round } = beacon.header;
    if (this.#head !== undefined && round <= this.#head.round) {
      const what = `beacon of round ${round}`;
      throw new Refusal("wrong-round", {
        what,
        field: "header.round",
        expected: `> ${this.#head.round}`,
        found: round,
      });
    }
    const verified = await this.#certify(beacon);
    this.#checkKnown(round, verified.hash);
    this.#walk = Walk.after(this.trust, verified, this.trust.signers);
    this.#first = round;
    this.#beacons.push(verified);
    if (this.#beacons.length > MAX_KEPT) this.#beacons.shift();
  }

  async #signers(bytes: Bytes): Promise<void> {
    const last = this.#open === undefined ? this.#head : undefined;
    if (last === undefined) throw bad("a signer list without a certified header before");
    if (this.#beacons.at(-1)?.round === last.round) this.#beacons.pop();
    this.trust = await this.trust.handOver(last.beacon, bytes);
    this.#walk.give(bytes);
  }

  async end(input: Input, length: number): Promise<Summary> {
    const bytes = await partBytes(input, length, 16, "end mark");
    const [headers, parts] = judging("end mark", () => decode(bytes, 16, (r) => [r.u64(), r.u64()] as const));
    if (headers !== this.#headers || parts !== this.#parts) throw bad("the end mark counts other headers or parts");
    if ((await input.take(1)) !== undefined) throw new Refusal("trailing-bytes", { what: "chain file" });
    if (this.#open !== undefined) throw bad("the last headers have no certificate");
    const head = this.#head;
    if (head === undefined) throw bad("nothing but a genesis");
    return { head, first: this.#first, headers, certificates: this.#certificates, beacons: this.#beacons };
  }
}
