import { build } from "esbuild";
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";

// tfjs-core publishes its specs. Its ES modules lack file extensions, so Node takes them as a bundle only.

const here = fileURLToPath(new URL(".", import.meta.url));
const require = createRequire(import.meta.url);
const folder = join(here, "../node_modules/.cache/tfjs-core-suite");
const bundle = join(folder, "specs.mjs");

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  const specs = require.resolve("@tensorflow/tfjs-core/dist/tests.js");
  const contents = [join(here, "tfjs-core-specs.ts"), specs]
    .map((file) => `import ${JSON.stringify(file)};`)
    .join("\n");
  await build({
    stdin: { contents, resolveDir: here },
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    mainFields: ["module", "main"], // the modules that the specs import, so that there is one tfjs
    ignoreAnnotations: true, // "sideEffects" would drop the specs
    external: ["jasmine-core", "onnxruntime-node", "onnx-proto"],
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
    outfile: bundle,
    logLevel: "error",
  });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Specs = Record<string, { status: string; messages: string[] }>;

function run(...args: string[]): Specs {
  const results = join(folder, "results.json");
  execFileSync(process.execPath, [bundle, results, ...args], { stdio: "ignore" });
  return JSON.parse(readFileSync(results, "utf8")) as Specs;
}

function names(specs: Specs, status: string): string[] {
  return Object.keys(specs).filter((name) => specs[name]!.status === status);
}

function failures(specs: Specs): string[] {
  return names(specs, "failed").map((name) => `${name}: ${specs[name]!.messages.join("; ")}`);
}

it("passes every spec of tfjs-core that tfjs's CPU backend passes", () => {
  const cpu = run("cpu");
  const onnx = run("onnx");
  expect(failures(onnx)).toEqual([]);
  const missing = names(cpu, "passed").filter((name) => onnx[name]?.status !== "passed");
  // Two specs move tensors between instances of the backend that is called cpu; they exist for no other.
  expect(missing.filter((name) => !name.startsWith("Switching cpu backends"))).toEqual([]);
  const readme = readFileSync(join(here, "../README.md"), "utf8");
  expect(readme).toContain(`all ${names(onnx, "passed").length} specs`);
});

it("passes them as well with no tensor counted as small", () => {
  expect(failures(run("onnx", "0"))).toEqual([]);
});
