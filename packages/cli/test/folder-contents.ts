import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Every file of a folder by relative path, but `run.json`, which holds clock and paths. */
export function folderContents(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" }).sort();
  return new Map(
    names
      .filter((name) => name !== "run.json" && statSync(join(folder, name)).isFile())
      .map((name) => [name, readFileSync(join(folder, name)).toString("latin1")]),
  );
}

/** An empty folder that is deleted when the tests of the file or of the `describe` are over. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sdmprune-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
