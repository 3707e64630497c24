/** What only Node has: records in files. */

import { closeSync, openSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { mkdir, open, rm } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

import { same, type Storage } from "./state.js";

/** The directory that the `beacon` command keeps its records in, for this user. */
export function stateDirectory(): string {
  const set = (name: string) => process.env[name] || undefined;
  return set("BEACON_HOME") ?? join(set("XDG_STATE_HOME") ?? join(homedir(), ".local", "state"), "beacon");
}

/** Tells the half-written files of one process apart. */
let writes = 0;

/** Milliseconds after which a lock has no owner any more: it is held for a comparison and a rename. */
const ABANDONED = 10_000;
/** Milliseconds between two looks at a lock that another process has. */
const PAUSE = 5;

/**
 * Records as files of a directory, each replaced atomically: a power cut leaves the old one or the new one. Of several
 * processes one at a time compares and renames.
 */
export function fileStorage(directory: string = stateDirectory()): Storage {
  return {
    read: (name) => present(join(directory, name)),
    async replace(name, bytes, before) {
      await mkdir(directory, { recursive: true });
      const path = join(directory, name);
      writes += 1;
      const beside = `${path}.new.${process.pid}.${writes}`;
      try {
        await synced(beside, "w", (file) => file.writeFile(bytes));
        const lock = `${path}.lock`;
        while (!take(lock)) await setTimeout(PAUSE);
        // Nothing is awaited while the lock is held. Programs that do not know it, as the `beacon` command, find next to
        // no time between the comparison and the rename.
        try {
          if (!same(present(path), before)) return false;
          renameSync(beside, path);
        } finally {
          rmSync(lock, { force: true });
        }
        await synced(directory, "r", async () => {});
        return true;
      } finally {
        await rm(beside, { force: true });
      }
    },
  };
}

/** Makes a lock file; not if another process has it. One that its process left behind is removed. */
function take(lock: string): boolean {
  try {
    closeSync(openSync(lock, "wx"));
    return true;
  } catch (error) {
    if (!is(error, "EEXIST")) throw error;
  }
  const made = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  if (made !== undefined && Date.now() - made > ABANDONED) rmSync(lock, { force: true });
  return false;
}

function present(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (is(error, "ENOENT")) return undefined;
    throw error;
  }
}

const is = (error: unknown, code: string): boolean => (error as NodeJS.ErrnoException).code === code;

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
