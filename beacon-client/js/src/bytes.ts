/** Bytes, hexadecimal, and the u64 of the interface. */

import { Refusal, UsageError } from "./errors.js";

export type Bytes = Uint8Array<ArrayBuffer>;

/** The greatest u64. */
export const MAX_U64 = (1n << 64n) - 1n;

const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const HEX = /^(?:[0-9a-fA-F]{2})*$/;

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += DIGITS[byte];
  return text;
}

/** Reads hexadecimal of either case, of exactly `length` bytes where that is given; `bad-hex` otherwise. [codec-3] */
export function fromHex(text: string, length?: number): Bytes {
  if (!HEX.test(text) || (length !== undefined && text.length !== 2 * length)) throw new Refusal("bad-hex");
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = Number.parseInt(text.slice(2 * at, 2 * at + 2), 16);
  return bytes;
}

export function equal(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Bytewise order. */
export function compare(one: Uint8Array, other: Uint8Array): number {
  const length = Math.min(one.length, other.length);
  for (let at = 0; at < length; at++) {
    const difference = one[at]! - other[at]!;
    if (difference !== 0) return difference;
  }
  return one.length - other.length;
}

export function concat(...parts: Uint8Array[]): Bytes {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Big-endian, 8 bytes. */
export function u64(value: bigint): Bytes {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value);
  return bytes;
}

const ENCODER = new TextEncoder();

export function utf8(text: string): Bytes {
  return ENCODER.encode(text) as Bytes;
}

/** A whole number from 0 to 2^64 − 1 as users give it. A number must be a safe integer: others are not exact. */
export function toU64(value: number | bigint, what: string): bigint {
  const exact = typeof value === "bigint" || Number.isSafeInteger(value);
  const number = exact ? BigInt(value) : -1n;
  if (number < 0n || number > MAX_U64) {
    throw new UsageError(`${what} is a whole number from 0 to 2^64 - 1, as a bigint or a safe integer, not ${value}`);
  }
  return number;
}

/** 32 bytes as users give them: bytes, or 64 hexadecimal digits. */
export function bytes32(value: string | Uint8Array, what: string): Bytes {
  try {
    const bytes = typeof value === "string" ? fromHex(value, 32) : new Uint8Array(value);
    if (bytes.length === 32) return bytes;
  } catch {
    // Said below.
  }
  throw new UsageError(`${what} is 64 hexadecimal digits or 32 bytes`);
}
