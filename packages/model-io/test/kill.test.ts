import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { Rng } from "@sdmprune/core";
import { openCheckpoint, recoverFolder } from "@sdmprune/model-io/node";
import { expect, it } from "vitest";
import { temporaryFolder } from "./temporary-folder.js";
import { tinyTensors } from "./tiny-checkpoint.js";

const script = join(import.meta.dirname, "write-tiny.ts");
const tsconfig = join(import.meta.dirname, "../../../tsconfig.base.json");

/** Runs the writing script and kills it a while after it has begun to write. */
async function writeAndKill(out: string, afterMs: number): Promise<void> {
  const args = ["--conditions=@sdmprune/source", "--import", "tsx", script, out, "100000"];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, TSX_TSCONFIG_PATH: tsconfig },
  });
  child.stdout.once("data", () => setTimeout(() => child.kill("SIGKILL"), afterMs));
  await new Promise((resolve) => child.once("exit", resolve));
}

it("leaves a whole folder or none when killed while replacing one, and the next run clears up", async () => {
  const root = await temporaryFolder();
  const out = join(root, "out");
  const rng = new Rng(7, "kill");
  for (let round = 0; round < 5; round++) {
    await writeAndKill(out, rng.uniform() * 40);
    await recoverFolder(out);
    expect(await readdir(root)).toEqual(["out"]);
    const checkpoint = await openCheckpoint(out);
    expect(existsSync(join(out, "model.safetensors"))).toBe(false);
    const seed = Number(await readFile(join(out, "seed.txt"), "utf8"));
    for (const { name, data } of tinyTensors(seed)) {
      expect(Buffer.from(await checkpoint.read(name)).equals(await data())).toBe(true);
    }
  }
});
