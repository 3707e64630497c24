/**
 * The wire format: fixed widths, big-endian, counts before sequences, one encoding a value. [codec-1]
 */

import { type Bytes, concat, u64, utf8 } from "./bytes.js";
import { Refusal } from "./errors.js";

/** Reads fields one after the other; whatever does not fit is `malformed`. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  #take(width: number): number {
    if (width > this.left) throw new Refusal("malformed");
    const at = this.#at;
    this.#at += width;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8));
  }

  bool(): boolean {
    const byte = this.u8();
    if (byte > 1) throw new Refusal("malformed");
    return byte === 1;
  }

  /** A copy of the next bytes. */
  fixed(width: number): Bytes {
    const at = this.#take(width);
    return new Uint8Array(this.#bytes.slice(at, at + width));
  }

  /** A sequence whose entries take at least `width` bytes each, so that no count claims more than there is. */
  sequence<T>(width: number, read: (reader: Reader) => T): T[] {
    const count = this.u64();
    if (count > BigInt(Math.floor(this.left / width))) throw new Refusal("malformed");
    return Array.from({ length: Number(count) }, () => read(this));
  }

  /** A counted sequence of bytes. */
  bytes(): Bytes {
    const count = this.u64();
    if (count > BigInt(this.left)) throw new Refusal("malformed");
    return this.fixed(Number(count));
  }

  text(): string {
    try {
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(this.bytes());
    } catch {
      throw new Refusal("malformed");
    }
  }

  option<T>(read: (reader: Reader) => T): T | null {
    return this.bool() ? read(this) : null;
  }
}

/** Decodes exactly one value from all of `bytes`, which are at most `limit`. [codec-2] */
export function decode<T>(bytes: Uint8Array, limit: number, read: (reader: Reader) => T): T {
  if (bytes.length > limit) throw new Refusal("too-long");
  const reader = new Reader(bytes);
  const value = read(reader);
  if (reader.left > 0) throw new Refusal("trailing-bytes");
  return value;
}

/** Writes fields one after the other. */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  u16(value: number): this {
    return this.fixed(Uint8Array.of(value >> 8, value));
  }

  u32(value: number): this {
    return this.fixed(Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value));
  }

  u64(value: bigint): this {
    return this.fixed(u64(value));
  }

  bool(value: boolean): this {
    return this.fixed(Uint8Array.of(Number(value)));
  }

  fixed(bytes: Uint8Array): this {
    this.#parts.push(bytes);
    return this;
  }

  sequence<T>(values: readonly T[], write: (writer: Writer, value: T) => void): this {
    this.u64(BigInt(values.length));
    for (const value of values) write(this, value);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    return this.u64(BigInt(bytes.length)).fixed(bytes);
  }

  text(text: string): this {
    return this.bytes(utf8(text));
  }

  option<T>(value: T | null, write: (writer: Writer, value: T) => void): this {
    this.bool(value !== null);
    if (value !== null) write(this, value);
    return this;
  }

  done(): Bytes {
    return concat(...this.#parts);
  }
}
