import { mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readmeExample } from "./readme-example.js";
import { contentProblems } from "./release/check-contents.js";
import { createChecklist } from "./release/checklist.js";
import { pack } from "./release/pack.js";
import { runCommand, type CommandResult } from "./release/run-command.js";
import { publishedPackages } from "./release/workspace-packages.js";

/**
 * Checks what would be published: builds and packs every package, installs the tarballs in a new project outside
 * the repository, and uses them there as a stranger would. Run it with `npm run release-check`.
 */
const root = fileURLToPath(new URL("..", import.meta.url));
const bin = (name: string): string => join(root, "node_modules/.bin", name);
const work = await mkdtemp(join(tmpdir(), "sdmprune-release-"));
const project = join(work, "project");
const checks = createChecklist((line) => console.log(line));
const problemOf = ({ isOk, output }: CommandResult): string =>
  isOk ? "" : output || "failed without a word";

/** A plugin as a user writes it: one file, no packages of its own. */
const PLUGIN = `
import { definePlugin } from "@sdmprune/core";
const seen: string = "release-check";
export default definePlugin({
  name: seen,
  register({ importances }) {
    importances.register("of-my-own", () => ({ needs: {} }), { description: "From one file." });
  },
});
`;

/** Any program of TensorFlow.js may take the backend. */
const TFJS_PROGRAM = `
import * as tf from "@tensorflow/tfjs-core";
import { register } from "@sdmprune/backend-onnx/tfjs";
await register();
if (!(await tf.setBackend("onnx"))) throw new Error("backend onnx did not start");
const product = tf.matMul(tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5, 6], [7, 8]]));
console.log([...product.dataSync()].join(" "));
`;

try {
  const packages = await publishedPackages(root);
  console.log("Build and pack");
  checks.record(
    "builds",
    problemOf(await runCommand("npm", ["run", "build"], { cwd: root, env: { NX_DAEMON: "false" } })),
  );
  await mkdir(project);
  const packed = await pack(packages, { root, destination: work });

  for (const { package: published, tarball, files, sizeBytes } of packed) {
    console.log(`${published.name} (${files.length} files, ${Math.ceil(sizeBytes / 1024)} KiB)`);
    checks.record("contents", await contentProblems(published, files, root));
    checks.record(
      "publint",
      problemOf(await runCommand(bin("publint"), [tarball, "--strict"], { cwd: work })),
    );
    const attw = [tarball, "--profile", "esm-only", "--no-emoji", "--format", "ascii"];
    checks.record("types resolve (attw)", problemOf(await runCommand(bin("attw"), attw, { cwd: work })));
  }

  console.log("Install in a new project");
  await writeFile(join(project, "package.json"), JSON.stringify({ private: true, type: "module" }));
  const install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"];
  const installed = await runCommand("npm", [...install, ...packed.map(({ tarball }) => tarball)], {
    cwd: project,
  });
  checks.record("npm install", problemOf(installed));
  if (installed.isOk) await useAsAStranger(packages.map(({ name, folder }) => ({ name, folder })));
} finally {
  await rm(work, { recursive: true, force: true });
}
console.log(`release check: ${checks.numPassed} passed, ${checks.numFailed} failed`);
process.exitCode = checks.numFailed === 0 ? 0 : 1;

async function useAsAStranger(packages: readonly { name: string; folder: string }[]): Promise<void> {
  console.log("README examples under plain node");
  const sources: string[] = [];
  for (const { name, folder } of packages) {
    const file = name.replace(/\W+/g, "-").replace(/^-/, "");
    try {
      const example = await readmeExample(folder);
      await writeFile(join(project, `${file}.mjs`), example);
      await writeFile(join(project, `${file}.ts`), example);
      sources.push(`${file}.ts`);
    } catch (error) {
      checks.record(name, String(error));
      continue;
    }
    const result = await runCommand(process.execPath, [`${file}.mjs`], { cwd: project, timeoutMs: 120_000 });
    checks.record(name, result.isOk && result.stdout === "" ? "prints nothing" : problemOf(result));
  }
  const compilerOptions = {
    strict: true,
    module: "NodeNext",
    target: "ES2023",
    skipLibCheck: true,
    noEmit: true,
  };
  await writeFile(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: sources }));
  checks.record("they type-check", problemOf(await runCommand(bin("tsc"), ["-p", "."], { cwd: project })));

  console.log("The command sdmprune");
  await writeFile(join(project, "my-criterion.ts"), PLUGIN);
  const sdmprune = (...args: string[]): Promise<CommandResult> =>
    runCommand(process.execPath, ["node_modules/sdmprune/bin/sdmprune.js", ...args], { cwd: project });
  checks.record("--help", problemOf(await sdmprune("--help")));
  const methods = await sdmprune("ls", "method", "--json");
  checks.record("ls method names sdmprune", methods.stdout.includes('"sdmprune"') ? "" : methods.output);
  const own = await sdmprune("ls", "importance", "--plugin", "./my-criterion.ts", "--json");
  checks.record("--plugin ./my-criterion.ts", own.stdout.includes('"of-my-own"') ? "" : own.output);

  console.log("backend-onnx in a plain TensorFlow.js program, without @sdmprune/core");
  await writeFile(join(project, "tfjs-program.mjs"), TFJS_PROGRAM);
  const core = join(project, "node_modules/@sdmprune/core");
  await rename(core, `${core}.hidden`);
  const result = await runCommand(process.execPath, ["tfjs-program.mjs"], { cwd: project });
  await rename(`${core}.hidden`, core);
  checks.record(
    "matMul",
    result.stdout.trim().endsWith("19 22 43 50") ? "" : result.output || "printed nothing",
  );
}
