import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const example = join(root, "docs/guides/examples/capitals.ts");
const guide = join(root, "docs/guides/add-a-task.md");

describe("the guide to adding a task", () => {
  let folder: string;
  const dumped = async (...args: string[]): Promise<string> => {
    const bin = join(root, "packages/cli/bin/sdmprune.js");
    await promisify(execFile)(process.execPath, [bin, "eval", ...args, "--dump-requests", "out.jsonl"], {
      cwd: folder,
    });
    return readFile(join(folder, "out.jsonl"), "utf8");
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sdmprune-task-"));
    const row = '{"country":"Peru","cities":["Cusco","Lima"],"capital":"Lima"}\n';
    await mkdir(join(folder, "data"));
    await writeFile(join(folder, "data/capitals.jsonl"), row);
    await writeFile(join(folder, "capitals.jsonl"), row);
    await copyFile(example, join(folder, "capitals.ts"));
    const yaml = /```yaml\n([\s\S]*?)```/.exec(await readFile(guide, "utf8"))![1]!;
    await writeFile(join(folder, "capitals.yaml"), yaml);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("shows capitals.ts, which is tested here", async () => {
    expect(await readFile(guide, "utf8")).toContain(`\`\`\`ts\n${await readFile(example, "utf8")}\`\`\``);
  });

  it("asks the same by the YAML file and by the plugin", async () => {
    const asked = '["The capital of Peru is"," Cusco"]\n["The capital of Peru is"," Lima"]\n';
    expect(await dumped("--tasks", "./capitals.yaml")).toBe(asked);
    expect(await dumped("--tasks", "capitals", "--plugin", "./capitals.ts", "--data-dir", "data")).toBe(
      asked,
    );
  });
});
