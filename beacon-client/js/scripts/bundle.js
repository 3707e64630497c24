/**
 * Makes the browser bundle, `dist/beacon.js`, and the licences of what is in it. `node scripts/bundle.js` writes both; a
 * test makes them again and compares.
 */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

const root = new URL("../", import.meta.url);
const PACKAGES = ["@noble/curves", "@noble/hashes"];

/** The files of `dist` by their names. */
export async function bundle() {
  const { outputFiles } = await build({
    absWorkingDir: fileURLToPath(root),
    entryPoints: ["src/index.ts"],
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    minify: true,
    charset: "utf8",
    legalComments: "none",
    banner: {
      js: "/* The JavaScript client of the randomness beacon, Apache-2.0, with @noble/curves and @noble/hashes, MIT: see LICENSES.txt */",
    },
    write: false,
  });
  const licences = PACKAGES.map(async (name) => {
    const { version } = JSON.parse(await readFile(new URL(`node_modules/${name}/package.json`, root), "utf8"));
    const text = await readFile(new URL(`node_modules/${name}/LICENSE`, root), "utf8");
    return `${name} ${version}\n\n${text.trim()}\n`;
  });
  return { "beacon.js": outputFiles[0].text, "LICENSES.txt": (await Promise.all(licences)).join("\n\n") };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, text] of Object.entries(await bundle())) {
    await writeFile(new URL(`dist/${name}`, root), text);
    console.log(`dist/${name} ${Buffer.byteLength(text)} bytes`);
  }
}
