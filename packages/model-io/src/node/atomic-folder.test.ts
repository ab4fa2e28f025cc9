import { spawnSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { temporaryFolder } from "../../test/temporary-folder.js";
import { AtomicFolder, recoverFolder } from "./atomic-folder.js";
import { writeFileAtomic } from "./write-file-atomic.js";

/** The number of a process that has ended. */
const deadPid = () => spawnSync(process.execPath, ["--version"]).pid;

async function folderWith(path: string, content: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await writeFile(join(path, "file"), content);
}

describe("AtomicFolder", () => {
  it("shows nothing before commit and everything after", async () => {
    const root = await temporaryFolder();
    const folder = await AtomicFolder.begin(join(root, "a/out"));
    await folder.writeFile("sub/file", "text");
    expect(await readdir(join(root, "a"))).toEqual([`.out.tmp-${process.pid}`]);
    await folder.commit();
    await folder.discard();
    expect(await readdir(join(root, "a"))).toEqual(["out"]);
    expect(await readFile(join(root, "a/out/sub/file"), "utf8")).toBe("text");
  });

  it("leaves nothing behind when discarded", async () => {
    const root = await temporaryFolder();
    const folder = await AtomicFolder.begin(join(root, "out"));
    await folder.writeFile("file", "text");
    await folder.discard();
    expect(await readdir(root)).toEqual([]);
  });

  it("replaces a folder only with force, but takes the place of an empty one", async () => {
    const root = await temporaryFolder();
    const out = join(root, "out");
    await folderWith(out, "old");
    await expect(AtomicFolder.begin(out)).rejects.toThrow(
      `${out}: expected nothing there yet, got a folder with files in it. Use force to replace it.`,
    );
    const folder = await AtomicFolder.begin(out, { force: true });
    await folder.writeFile("new", "new");
    expect(await readFile(join(out, "file"), "utf8")).toBe("old");
    await folder.commit();
    expect(await readdir(out)).toEqual(["new"]);
    expect(await readdir(root)).toEqual(["out"]);

    await mkdir(join(root, "empty"));
    const second = await AtomicFolder.begin(join(root, "empty"));
    await second.commit();
    await writeFile(join(root, "plain"), "");
    await expect(AtomicFolder.begin(join(root, "plain"))).rejects.toThrow("got a file");
  });

  it("refuses a second writer and names that lead outside", async () => {
    const root = await temporaryFolder();
    const folder = await AtomicFolder.begin(join(root, "out"));
    await expect(AtomicFolder.begin(join(root, "out"))).rejects.toThrow("expected one writer at a time");
    for (const name of ["../x", "/x", "a/../../x", "", "a\\..\\x", "C:x", "."]) {
      await expect(folder.writeFile(name, ""), name).rejects.toThrow("expected the name of a file inside it");
    }
    await folder.discard();
  });

  it("says in words what the system refuses", async () => {
    const root = await temporaryFolder();
    await writeFile(join(root, "file"), "");
    const below = join(root, "file", "out");
    await expect(AtomicFolder.begin(below)).rejects.toThrow(/^.*file.out: could not be written: E[A-Z]+: /);
    await expect(writeFileAtomic(below, "")).rejects.toThrow(/^.*file.out: could not be written: E[A-Z]+: /);
  });

  it("deletes what a killed run left and keeps what a running one is filling", async () => {
    const root = await temporaryFolder();
    await folderWith(join(root, `.out.tmp-${deadPid()}`), "dead");
    await folderWith(join(root, `.out.tmp-${process.pid}`), "our number, but of a process before us");
    await folderWith(join(root, `.out.tmp-${process.ppid}`), "alive");
    await folderWith(join(root, ".out.tmp-notes"), "not ours");
    await folderWith(join(root, `.output.tmp-${deadPid()}`), "of another folder");
    await recoverFolder(join(root, "out"));
    const left = (await readdir(root)).map((name) => name.replace(/\d+$/, "N")).sort();
    expect(left).toEqual([".out.tmp-N", ".out.tmp-notes", ".output.tmp-N"]);
  });

  it("moves the old folder back if a run was killed between the two renames", async () => {
    const root = await temporaryFolder();
    await folderWith(join(root, `.out.old-${deadPid()}`), "old");
    await recoverFolder(join(root, "out"));
    expect(await readFile(join(root, "out/file"), "utf8")).toBe("old");
  });

  it("deletes the old folder if a run was killed after the new one took its place", async () => {
    const root = await temporaryFolder();
    await folderWith(join(root, "out"), "new");
    await folderWith(join(root, `.out.old-${deadPid()}`), "old");
    await recoverFolder(join(root, "out"));
    expect(await readdir(root)).toEqual(["out"]);
    expect(await readFile(join(root, "out/file"), "utf8")).toBe("new");
  });
});
