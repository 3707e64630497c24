/** From a round's output to more bytes. */

import { type Bytes, utf8 } from "./bytes.js";
import { expand as expandKey, TAG } from "./hash.js";

/** More bytes from an output, bound to a label: at most 8160 for one label. Public bytes, never a key. [mix-3] */
export function expand(output: Bytes, label: Uint8Array | string, length: number): Bytes {
  return expandKey(output, [utf8(TAG.expand), typeof label === "string" ? utf8(label) : label], length);
}
