import { execFile, spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { SdmPruneError } from "@sdmprune/core";

/** What a program took, as the system counted. */
export interface ProcessCost {
  /** On the clock, from start to end. */
  readonly seconds: number;
  /** Processor time of all its threads. */
  readonly cpuSeconds: number;
  /** Most memory that was resident at once. */
  readonly peakBytes: number;
}

/** Run by every measured program before its own code: writes what it used when it ends. */
const RECORD = `data:text/javascript,${encodeURIComponent(
  `import { writeFileSync } from "node:fs";
   process.once("exit", () => writeFileSync(process.env.SDMPRUNE_USAGE, JSON.stringify(process.resourceUsage())));`,
)}`;

/**
 * Runs a Node program to its end.
 *
 * @param args - Its file, and its arguments.
 * @throws {SdmPruneError} If it fails; its messages are shown.
 */
export async function measureProcess(args: readonly string[]): Promise<ProcessCost> {
  const folder = await mkdtemp(join(tmpdir(), "measure-"));
  const usageFile = join(folder, "usage.json");
  try {
    const start = performance.now();
    const child = spawn(execPath, ["--import", RECORD, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: { ...process.env, SDMPRUNE_USAGE: usageFile },
    });
    let messages = "";
    child.stderr
      .setEncoding("utf8")
      .on("data", (text: string) => (messages = (messages + text).slice(-4000)));
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once("error", reject).once("close", resolve);
    });
    const seconds = (performance.now() - start) / 1000;
    if (code !== 0) {
      throw new SdmPruneError(
        `${args.join(" ")}: expected it to end well, got exit code ${code}.\n${messages}`,
      );
    }
    const usage = JSON.parse(await readFile(usageFile, "utf8")) as NodeJS.ResourceUsage;
    return {
      seconds,
      cpuSeconds: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
      peakBytes: usage.maxRSS * 1024, // Node gives kilobytes
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const CLI = fileURLToPath(new URL("../../packages/cli/bin/sdmprune.js", import.meta.url));

/** Runs `sdmprune` of this checkout. */
export function measureSdmprune(...args: string[]): Promise<ProcessCost> {
  return measureProcess([CLI, ...args]);
}

const COMPILED_CLI = fileURLToPath(new URL("compiled-sdmprune.js", import.meta.url));

/** Compiles the packages of this checkout, for {@link measureCompiledSdmprune}. */
export async function buildSdmprune(): Promise<void> {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  const nx = fileURLToPath(import.meta.resolve("nx/bin/nx.js"));
  await promisify(execFile)(execPath, [nx, "run", "sdmprune:build"], {
    cwd: root,
    env: { ...process.env, NX_DAEMON: "false" },
  });
}

/** Runs `sdmprune` as its users have it: compiled. After {@link buildSdmprune}. */
export function measureCompiledSdmprune(...args: string[]): Promise<ProcessCost> {
  return measureProcess([COMPILED_CLI, ...args]);
}
