/** What only Node has: records in files. */

import { mkdir, open, readFile, rename } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

import type { Storage } from "./state.js";

/** The directory that the `beacon` command keeps its records in, for this user. */
export function stateDirectory(): string {
  const set = (name: string) => process.env[name] || undefined;
  return set("BEACON_HOME") ?? join(set("XDG_STATE_HOME") ?? join(homedir(), ".local", "state"), "beacon");
}

/** Tells the half-written files of one process apart. */
let writes = 0;

/** Records as files of a directory, each replaced atomically: a power cut leaves the old one or the new one. */
export function fileStorage(directory: string = stateDirectory()): Storage {
  return {
    async read(name) {
      try {
        return await readFile(join(directory, name));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
        throw error;
      }
    },
    async write(name, bytes) {
      await mkdir(directory, { recursive: true });
      const path = join(directory, name);
      writes += 1;
      const beside = `${path}.new.${process.pid}.${writes}`;
      await synced(beside, "w", (file) => file.writeFile(bytes));
      await rename(beside, path);
      await synced(directory, "r", async () => {});
    },
  };
}

async function synced(
  path: string,
  flags: string,
  work: (file: Awaited<ReturnType<typeof open>>) => Promise<unknown>,
): Promise<void> {
  const file = await open(path, flags);
  try {
    await work(file);
    await file.sync();
  } finally {
    await file.close();
  }
}
