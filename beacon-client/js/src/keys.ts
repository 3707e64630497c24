/**
 * Ed25519 verification with one verdict everywhere: cofactorless, canonical, no weak keys. [keys-2] [keys-3]
 *
 * WebCrypto does the work where its verdicts are known to be these; what it may decide otherwise is decided here, and
 * what remains, whether it multiplies the equation by the cofactor, it is asked once by crafted signatures.
 */

import { ed25519 } from "@noble/curves/ed25519.js";
import { sha512 } from "@noble/hashes/sha2.js";

import { type Bytes, concat, equal, fromHex } from "./bytes.js";
import { Refusal } from "./errors.js";

const Point = ed25519.Point;
type Point = InstanceType<typeof Point>;

const FIELD = (1n << 255n) - 19n;
const ORDER = Point.Fn.ORDER;

/** The y coordinates of the points of order 1, 2, 4 and 8. */
const SMALL_ORDER = new Set([
  0n,
  1n,
  FIELD - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n,
]);

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let at = bytes.length - 1; at >= 0; at--) value = (value << 8n) | BigInt(bytes[at]!);
  return value;
}

/**
 * Whether s is below the group order, and R canonical and not of small order, as far as its y coordinate tells: what
 * implementations of the equation decide in different ways, or not at all.
 */
export function plausible(signature: Uint8Array): boolean {
  const y = littleEndian(signature.subarray(0, 32)) & ((1n << 255n) - 1n);
  return littleEndian(signature.subarray(32)) < ORDER && y < FIELD && !SMALL_ORDER.has(y);
}

/** Which implementation verifies. */
export type Backend = "webcrypto" | "noble";

/** A public key that was judged: canonical, torsion-free, not weak. */
export class Verifier {
  readonly #bytes: Bytes;
  readonly #point: Point;
  #imported: Promise<CryptoKey> | undefined;

  private constructor(bytes: Bytes, point: Point) {
    this.#bytes = bytes;
    this.#point = point;
  }

  /** Judges a public key; `bad-key`. [keys-2] */
  static judge(bytes: Bytes): Verifier {
    let point: Point;
    try {
      // Only the one canonical encoding of a point reads.
      point = Point.fromBytes(bytes, false);
    } catch {
      throw new Refusal("bad-key");
    }
    if (point.isSmallOrder() || !point.isTorsionFree()) throw new Refusal("bad-key");
    return new Verifier(bytes, point);
  }

  /** Whether `signature`, 64 bytes, signs `digest`, 32 bytes. [keys-3] */
  async verify(digest: Bytes, signature: Bytes, backend?: Backend): Promise<boolean> {
    if (!plausible(signature)) return false;
    if ((backend ?? (await chosenBackend())) === "webcrypto") {
      try {
        this.#imported ??= importKey(this.#bytes);
        return await crypto.subtle.verify("Ed25519", await this.#imported, signature, digest);
      } catch {
        // A browser that takes WebCrypto away is no reason to call a signature wrong.
        this.#imported = undefined;
      }
    }
    await breathe();
    return this.#verifyHere(digest, signature);
  }

  /** s·G − k·A must encode to R, byte for byte. */
  #verifyHere(digest: Bytes, signature: Bytes): boolean {
    const R = signature.subarray(0, 32);
    const k = littleEndian(sha512(concat(R, this.#bytes, digest))) % ORDER;
    const s = littleEndian(signature.subarray(32));
    const found = Point.BASE.multiplyUnsafe(s).subtract(this.#point.multiplyUnsafe(k));
    return equal(found.toBytes(), R);
  }
}

function importKey(key: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
}

let backend: Promise<Backend> | undefined;

/** The implementation in use: WebCrypto if it gives the right verdicts on the crafted signatures below. */
export function chosenBackend(): Promise<Backend> {
  return (backend ??= examine());
}

async function examine(): Promise<Backend> {
  try {
    const [digest, key] = [fromHex(EXAM.digest), await importKey(fromHex(EXAM.key))];
    for (const [signature, right] of EXAM.signatures) {
      const found = await crypto.subtle.verify("Ed25519", key, fromHex(signature), digest);
      if (found !== right) return "noble";
    }
    return "webcrypto";
  } catch {
    return "noble";
  }
}

let busySince = 0;

/** Lets the page live: gives other tasks a turn whenever verification has run for some milliseconds on end. */
async function breathe(): Promise<void> {
  const now = performance.now();
  if (now - busySince < 12) return;
  await new Promise((resolve) => setTimeout(resolve));
  busySince = performance.now();
}

/**
 * One key, one digest: a good signature, and signatures whose R has a component of order 8, 4 and 2, for which only
 * the equation multiplied by the cofactor holds. They are cases of the specification's `vectors/keys.json`.
 */
const EXAM = {
  key: "6321658987d39b7be5c7e644aa25d5334a4f1a510f592b7ce1a0a531300de57d",
  digest: "7f4a23d90de90d100754f82d6c14073b7fb466f76fd1f61b187b9f39c3ffd895",
  signatures: [
    [
      "22c3cafb0cf5bcb715603fe28549574861184da94b3d2b194da99746ac4b2b154e4c2f3da9adcfc1855296d0bb95b42cf839866bf076812bc49a3a3f19610f09",
      true,
    ],
    [
      "71f2e20291bcf708c1096310669bb219c0e280ab8b8fd8b1301f994bc5fa1153022c970b442adbc7fdaaac9adbfb0aec7827d3b8a3fa8d1dbaf5e41db26e500e",
      false,
    ],
    [
      "bc88fac1208d6c402b7707f111fbcc1b7f8ca7f6f9e22340d1b19170d994176a4dec859fabfd3679d35804a5f4486d9c8188be36f48f19e399fb60f60dd7740c",
      false,
    ],
    [
      "cb3c3504f30a4348ea9fc01d7ab6a8b79ee7b256b4c2d4e6b25668b953b4d4eac1d7a99324eaad79541a3b4cb50d2dd07aadf1962459ea57fadf44d4e2935b0c",
      false,
    ],
  ] as [string, boolean][],
};
