import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../test/tiny-run.js";
import { assertNewFile, beginOutput } from "./replace-output.js";

it("replaces a checkpoint folder or an empty one by force, and never anything else", async () => {
  const root = temporaryFolder();
  for (const name of ["checkpoint", "empty", "photos", "parent/model"])
    mkdirSync(join(root, name), { recursive: true });
  writeFileSync(join(root, "checkpoint/config.json"), "{}");
  writeFileSync(join(root, "photos/beach.jpg"), "");
  writeFileSync(join(root, "parent/config.json"), "{}");
  writeFileSync(join(root, "file"), "");
  const source = join(root, "parent/model");
  const begin = (name: string, force = true) => beginOutput(join(root, name), source, force);

  for (const name of ["checkpoint", "empty", "new"]) await (await begin(name)).discard();
  await expect(begin("checkpoint", false)).rejects.toThrow(
    "expected nothing there yet, got a folder with files in it",
  );
  await expect(begin("photos")).rejects.toThrow(
    "expected a checkpoint folder to replace, got a folder without config.json",
  );
  await expect(begin("file")).rejects.toThrow("expected a folder to replace, got a file");
  await expect(begin("parent")).rejects.toThrow(`the model itself (${source}) is inside it`);
  await expect(begin("file/below")).rejects.toThrow("file/below: could not be written: ");
  await (await begin("parent/model")).discard(); // pruning a checkpoint in place is fine
  expect(readdirSync(root).sort()).toEqual(["checkpoint", "empty", "file", "parent", "photos"]);
});

it("tells before the work whether a file can be written", async () => {
  const root = temporaryFolder();
  writeFileSync(join(root, "file"), "");
  await assertNewFile(join(root, "new/deep/plan.json"), false);
  await assertNewFile(join(root, "file"), true);
  await expect(assertNewFile(join(root, "file"), false)).rejects.toThrow(
    "expected nothing there yet, got a file",
  );
  await expect(assertNewFile(root, true)).rejects.toThrow("expected a file to write, got a folder");
  await expect(assertNewFile(join(root, "file/plan.json"), false)).rejects.toThrow(
    "got a path through a file",
  );
});
