import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { checkBoundaries } from "./check-boundaries.js";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "boundaries-"));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Plants a package in the workspace under test. */
function plant(
  path: string,
  files: Record<string, string>,
  {
    dependencies = [],
    devDependencies = [],
    entries = [],
  }: { dependencies?: string[]; devDependencies?: string[]; entries?: string[] } = {},
): void {
  const versions = (names: string[]) => Object.fromEntries(names.map((name) => [name, "1.0.0"]));
  const source = (file: string) => ({ "@sdmprune/source": `./src/${file}.ts`, default: `./dist/${file}.js` });
  const manifest = {
    name: `@sdmprune/${path.split("/")[1]}`,
    exports: {
      ".": source("index"),
      ...Object.fromEntries(entries.map((name) => [`./${name}`, source(name)])),
    },
    dependencies: versions(dependencies),
    devDependencies: versions(devDependencies),
  };
  for (const [file, text] of Object.entries({ "package.json": JSON.stringify(manifest), ...files })) {
    mkdirSync(dirname(join(root, path, file)), { recursive: true });
    writeFileSync(join(root, path, file), text);
  }
}

const CORE = "@sdmprune/core";

describe("checkBoundaries", () => {
  it("accepts this repository", () => {
    expect(checkBoundaries(join(import.meta.dirname, ".."))).toEqual([]);
  });

  it("accepts imports that point downward, are declared and stay within exports", () => {
    plant(
      "packages/core",
      { "src/index.ts": 'import { z } from "zod";\nimport "./errors.js";' },
      { dependencies: ["zod"] },
    );
    plant(
      "packages/tensor",
      { "src/index.ts": 'export * as tf from "@tensorflow/tfjs-core";\nimport { x } from "@sdmprune/core";' },
      { dependencies: [CORE, "@tensorflow/tfjs-core"] },
    );
    plant(
      "packages/data",
      {
        "src/index.ts": 'import type { S } from "./node/source.js";',
        "src/node.ts": 'import "./node/source.js";',
        "src/node/source.ts": 'import fs from "node:fs";',
        "src/index.test.ts":
          'import fs from "node:fs";\nimport { it } from "vitest";\nimport "fixture-writer";',
      },
      { dependencies: [CORE], devDependencies: ["fixture-writer"] },
    );
    expect(checkBoundaries(root)).toEqual([]);
  });

  it("finds an import that points upward, of a type too", () => {
    plant("packages/data", { "src/index.ts": "" });
    plant(
      "packages/core",
      { "src/index.ts": '\nimport type { D } from "@sdmprune/data";' },
      { dependencies: ["@sdmprune/data"] },
    );
    expect(checkBoundaries(root)).toEqual([
      "packages/core/src/index.ts:2: core (layer 0) imports data (layer 2); imports point only downward.",
    ]);
  });

  it("finds an import within a layer, but lets pruning import importance", () => {
    plant("packages/importance", { "src/index.ts": "" }, { entries: ["score-file"] });
    plant(
      "packages/pruning",
      { "src/index.ts": 'import { s } from "@sdmprune/importance/score-file";' },
      { dependencies: ["@sdmprune/importance"] },
    );
    plant(
      "packages/evaluation",
      { "src/index.ts": 'import { s } from "@sdmprune/importance";' },
      { dependencies: ["@sdmprune/importance"] },
    );
    expect(checkBoundaries(root)).toEqual([
      "packages/evaluation/src/index.ts:1: evaluation (layer 3) imports importance (layer 3); imports point only downward.",
    ]);
  });

  it.each([
    ["import", 'import "lodash";'],
    ["import of a type", 'import type { A } from "lodash/fp";'],
    ["export", 'export { a } from "lodash";'],
    ["dynamic import", 'const a = async () => await import("lodash");'],
    ["type of an import", 'type A = typeof import("lodash");'],
    ["import =", 'import a = require("lodash");'],
    ["require", 'const a = require("lodash");'],
    ["augmentation", 'declare module "lodash" {}'],
  ])("finds an undeclared dependency in an %s", (_, text) => {
    plant("packages/data", { "src/index.ts": text });
    expect(checkBoundaries(root)).toEqual([
      'packages/data/src/index.ts:1: "lodash" is not in the dependencies of packages/data/package.json.',
    ]);
  });

  it("finds a source file that needs a devDependency, and a test that needs an undeclared package", () => {
    const files = {
      "src/index.ts": 'import "dev-only";',
      "test/slow.test.ts": 'import "dev-only";\nimport "nowhere";',
    };
    plant("packages/data", files, { devDependencies: ["dev-only"] });
    expect(checkBoundaries(root)).toEqual([
      'packages/data/src/index.ts:1: "dev-only" is not in the dependencies of packages/data/package.json.',
      'packages/data/test/slow.test.ts:2: "nowhere" is not in the dependencies or devDependencies of packages/data/package.json.',
    ]);
  });

  it("finds an import deeper than the exports, by name and by path", () => {
    plant("packages/core", { "src/index.ts": "", "src/errors.ts": "" });
    plant(
      "packages/data",
      { "src/index.ts": 'import "@sdmprune/core/src/errors.js";\nimport "../../core/src/errors.js";' },
      { dependencies: [CORE] },
    );
    expect(checkBoundaries(root)).toEqual([
      'packages/data/src/index.ts:1: "@sdmprune/core/src/errors.js" is not in the exports of @sdmprune/core; it offers @sdmprune/core.',
      'packages/data/src/index.ts:2: "../../core/src/errors.js" leaves packages/data; import a package by its name.',
    ]);
  });

  it("finds tfjs outside tensor and the backends, in tests too", () => {
    const tfjs = "@tensorflow/tfjs-core";
    plant("packages/models", { "src/a.test.ts": `import * as tf from "${tfjs}";` }, { dependencies: [tfjs] });
    plant(
      "plugins/backend-onnx",
      { "src/index.ts": `import * as tf from "${tfjs}";` },
      { dependencies: [tfjs] },
    );
    expect(checkBoundaries(root)).toEqual([
      'packages/models/src/a.test.ts:1: models imports "@tensorflow/tfjs-core"; only tensor and backend-* may.',
    ]);
  });

  it("finds tsyringe outside core, and a new library in core", () => {
    plant("packages/models", { "src/index.ts": 'import "tsyringe";' }, { dependencies: ["tsyringe"] });
    plant("packages/core", { "src/index.ts": 'import "lodash";' }, { dependencies: ["lodash"] });
    expect(checkBoundaries(root)).toEqual([
      'packages/core/src/index.ts:1: core imports "lodash"; it may import tsyringe, reflect-metadata, zod, pure-rand.',
      'packages/models/src/index.ts:1: models imports "tsyringe"; only core may.',
    ]);
  });

  it("finds recipes naming a plugin, in an import and in a string", () => {
    const onnx = "@sdmprune/backend-onnx";
    plant("plugins/backend-onnx", { "src/index.ts": "" });
    plant(
      "packages/recipes",
      { "src/index.ts": `import("${onnx}");\nconst plugin = "${onnx}";` },
      { dependencies: [onnx] },
    );
    plant("packages/cli", { "src/index.ts": `import "${onnx}";` }, { dependencies: [onnx] });
    expect(checkBoundaries(root)).toEqual([
      "packages/recipes/src/index.ts:1: recipes imports the plugin backend-onnx; only cli and playground may.",
      'packages/recipes/src/index.ts:2: recipes names the plugin "@sdmprune/backend-onnx"; only cli and playground may.',
    ]);
  });

  it("finds a plugin importing a plugin, or more than its contracts", () => {
    const names = ["@sdmprune/backend-onnx", "@sdmprune/recipes"];
    plant("packages/recipes", { "src/index.ts": "" });
    plant("plugins/backend-onnx", { "src/index.ts": "" });
    plant(
      "plugins/method-flap",
      { "src/index.ts": names.map((name) => `import "${name}";`).join("\n") },
      { dependencies: names },
    );
    expect(checkBoundaries(root)).toEqual([
      "plugins/method-flap/src/index.ts:1: plugin method-flap imports plugin backend-onnx; plugins never import one another.",
      "plugins/method-flap/src/index.ts:2: plugin method-flap imports recipes; it may import core, pruning, importance, lora, models, tensor.",
    ]);
  });

  it("finds a criterion's plugin importing more than its contracts", () => {
    const names = ["@sdmprune/importance", "@sdmprune/tensor", "@sdmprune/lora"];
    for (const name of ["importance", "tensor", "lora"]) plant(`packages/${name}`, { "src/index.ts": "" });
    plant(
      "plugins/importance-entropy",
      { "src/index.ts": names.map((name) => `import "${name}";`).join("\n") },
      { dependencies: names },
    );
    expect(checkBoundaries(root)).toEqual([
      "plugins/importance-entropy/src/index.ts:3: plugin importance-entropy imports lora; it may import core, pruning, importance, models, tensor.",
    ]);
  });

  it("finds Node's modules, with and without the prefix, outside a package's Node files", () => {
    plant("packages/data", {
      "src/index.ts":
        'import fs from "fs";\nimport { join } from "node:path";\nexport { a } from "./node/a.js";',
      "src/node/a.ts": 'import fs from "node:fs";',
    });
    expect(checkBoundaries(root)).toEqual([
      'packages/data/src/index.ts:1: "fs" outside src/node.ts and src/node/; data runs in browsers too.',
      'packages/data/src/index.ts:2: "node:path" outside src/node.ts and src/node/; data runs in browsers too.',
      'packages/data/src/index.ts:3: "./node/a.js" needs Node; only @sdmprune/data/node may lead there.',
    ]);
  });

  it("finds evaluation importing models outside its one folder", () => {
    plant("packages/models", { "src/index.ts": "" });
    const text = 'import type { CausalLM } from "@sdmprune/models";';
    plant(
      "packages/evaluation",
      { "src/index.ts": text, "src/causal-lm.ts": text, "src/causal-lm/scorer.ts": text },
      { dependencies: ["@sdmprune/models"] },
    );
    expect(checkBoundaries(root)).toEqual([
      "packages/evaluation/src/index.ts:1: evaluation imports models outside src/causal-lm.",
    ]);
  });

  it("finds an engine loaded through other files by an entry that must not load one", () => {
    plant("packages/tensor", { "src/index.ts": "" });
    plant(
      "packages/importance",
      {
        "src/score-file.ts": 'import type { tf } from "@sdmprune/tensor";\nimport { a } from "./a.js";',
        "src/a.ts": 'import "./score-file.js";\nimport { tf } from "@sdmprune/tensor";',
      },
      { dependencies: ["@sdmprune/tensor"], entries: ["score-file"] },
    );
    expect(checkBoundaries(root)).toEqual([
      'packages/importance/src/a.ts:2: "@sdmprune/tensor" is loaded by @sdmprune/importance/score-file; a score file is read without an engine.',
    ]);
  });

  it("lets tests use the test support without declaring it", () => {
    plant("packages/core", { "src/a.test.ts": 'import "@sdmprune/test-utils";', "src/index.ts": "" });
    plant("packages/test-utils", { "src/index.ts": 'import "vitest";' }, { dependencies: [CORE] });
    expect(checkBoundaries(root)).toEqual([]);
    plant("packages/core", { "src/index.ts": 'import "@sdmprune/test-utils";' });
    expect(checkBoundaries(root)).toEqual([
      "packages/core/src/index.ts:1: core (layer 0) imports test-utils (layer 4); imports point only downward.",
      'packages/core/src/index.ts:1: "@sdmprune/test-utils" is not in the dependencies of packages/core/package.json.',
    ]);
  });

  it("finds packages that need each other", () => {
    plant("packages/core", { "src/index.ts": "" }, { devDependencies: ["@sdmprune/test-utils"] });
    plant("packages/test-utils", { "src/index.ts": "" }, { dependencies: [CORE] });
    expect(checkBoundaries(root)).toEqual([
      "packages/core/package.json:1: dependencies go in a circle: @sdmprune/core -> @sdmprune/test-utils -> @sdmprune/core.",
    ]);
  });

  it("asks for a layer when a package is new", () => {
    plant("packages/quantization", { "src/index.ts": "" });
    expect(checkBoundaries(root)).toEqual([
      "packages/quantization/package.json:1: quantization has no layer; add it to the boundary table.",
    ]);
  });
});
