import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../test/tiny-run.js";
import { ScratchFile } from "./scratch-file.js";

describe("ScratchFile", () => {
  it("gives back the bits that were written, also of writes that overlap in time", async () => {
    const file = new ScratchFile(join(temporaryFolder(), "new"));
    const rows = [0, 1, 2].map((i) => Float32Array.of(i + 0.1, -0, NaN, 2 ** -149).subarray(i === 1 ? 1 : 0));
    const places = await Promise.all(rows.map((row) => file.write(row)));
    for (const i of [2, 0, 1]) {
      const out = new Float32Array(rows[i]!.length);
      await file.read(places[i]!, out);
      expect(out).toEqual(rows[i]);
    }
    await file.close();
  });

  it("is made with the first write, and leaves no name in the folder", async () => {
    const folder = temporaryFolder();
    const file = new ScratchFile(folder);
    expect(await file.write(new Float32Array(1000))).toBe(0);
    expect(await file.write(new Float32Array(1000))).toBe(4000);
    expect(readdirSync(folder)).toEqual([]);
    file.clear();
    expect(await file.write(new Float32Array(1))).toBe(0);
    await file.close();
    await file.close();
  });

  it("says what is wrong when it cannot be written or read", async () => {
    const path = join(temporaryFolder(), "file");
    writeFileSync(path, "");
    await expect(new ScratchFile(path).write(new Float32Array(1))).rejects.toThrow(
      new RegExp(`^${path}: expected room for a temporary file, got: EEXIST`),
    );
    const file = new ScratchFile(temporaryFolder());
    await file.write(new Float32Array(2));
    await expect(file.read(4, new Float32Array(4))).rejects.toThrow("expected 16 bytes at 4, got 4");
    await file.close();
  });
});
