import { readFile } from "node:fs/promises";
import { freemem, platform, totalmem } from "node:os";
import { dirname, join } from "node:path";

/** Contents of a file, or undefined if it cannot be read. */
export type ReadText = (path: string) => Promise<string | undefined>;

const readText: ReadText = (path) => readFile(path, "utf8").catch(() => undefined);

/**
 * Bytes that this process can still take without swapping or being killed: what the machine has left, or the control
 * group (a container's limit), whichever is less. Pages of files that the kernel would give up count as free.
 */
export async function availableMemory(read: ReadText = readText): Promise<number> {
  // macOS fills its memory with what it would give up at once: what it calls free says little.
  const free = platform() === "darwin" ? Math.max(freemem(), totalmem() / 2) : freemem();
  const machine = (await memAvailable(read)) ?? free;
  return Math.max(0, Math.min(machine, await cgroupAvailable(read)));
}

async function memAvailable(read: ReadText): Promise<number | undefined> {
  const kilobytes = /^MemAvailable:\s+(\d+) kB$/m.exec((await read("/proc/meminfo")) ?? "")?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** What the groups that this process is in leave of their limits; infinite where there are none. */
async function cgroupAvailable(read: ReadText): Promise<number> {
  let least = Infinity;
  for (const line of ((await read("/proc/self/cgroup")) ?? "").split("\n")) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    if (controllers === "") least = Math.min(least, await leftInGroup(read, "/sys/fs/cgroup", path, V2));
    if (controllers?.split(",").includes("memory")) {
      least = Math.min(least, await leftInGroup(read, "/sys/fs/cgroup/memory", path, V1));
    }
  }
  return least;
}

interface GroupFiles {
  readonly limit: string;
  readonly usage: string;
  /** Key in `memory.stat` of the pages of files that are not in use. */
  readonly reclaimable: string;
}

const V2: GroupFiles = { limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file" };
const V1: GroupFiles = {
  limit: "memory.limit_in_bytes",
  usage: "memory.usage_in_bytes",
  reclaimable: "total_inactive_file",
};

/** The least that a group or one above it has left. In a container, the root of the tree is the group itself. */
async function leftInGroup(read: ReadText, root: string, path: string, files: GroupFiles): Promise<number> {
  let least = Infinity;
  for (let group = path; ; group = dirname(group)) {
    const folder = join(root, group);
    const limit = Number((await read(join(folder, files.limit))) ?? "max"); // "max" is no limit: NaN
    const usage = Number((await read(join(folder, files.usage))) ?? NaN);
    const stat = (await read(join(folder, "memory.stat"))) ?? "";
    const reclaimable = Number(new RegExp(`^${files.reclaimable} (\\d+)$`, "m").exec(stat)?.[1] ?? 0);
    const left = limit - (usage - reclaimable);
    if (left < least) least = left; // never for NaN
    if (group === "/") return least;
  }
}
