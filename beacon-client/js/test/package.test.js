/** The package is what its sources make, and names nobody's mirror. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { bundle } from "../scripts/bundle.js";

const read = (name) => readFile(new URL(`../${name}`, import.meta.url), "utf8");

test("the committed bundle and its licences are what the sources make", async () => {
  for (const [name, text] of Object.entries(await bundle())) {
    assert.ok((await read(`dist/${name}`)) === text, `dist/${name} is out of date: npm run bundle`);
  }
});

test("dependencies are pinned, and come from the public registry", async () => {
  const { dependencies, devDependencies } = JSON.parse(await read("package.json"));
  for (const version of Object.values({ ...dependencies, ...devDependencies }))
    assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.deepEqual(Object.keys(dependencies), ["@noble/curves", "@noble/hashes"]);
  const { packages } = JSON.parse(await read("package-lock.json"));
  for (const [name, { resolved, integrity }] of Object.entries(packages)) {
    if (name === "") continue;
    assert.match(resolved ?? "https://registry.npmjs.org/", /^https:\/\/registry\.npmjs\.org\//, name);
    assert.match(integrity, /^sha512-/, name);
  }
});

test("everything that the package exports is there", async () => {
  const { Client } = await import("beacon-client");
  const { fileStorage } = await import("beacon-client/node");
  const bundled = await import("beacon-client/bundle");
  assert.equal(typeof fileStorage, "function");
  assert.deepEqual(Object.keys(bundled).sort(), Object.keys(await import("beacon-client")).sort());
  assert.equal(Client.name, "Client");
});
