/** Who may import whom: the table of the project's architecture, as data. Names are folder names. */

/** Layer of each folder of `packages/`. A package imports from lower layers only. */
export const LAYER: Readonly<Record<string, number>> = {
  core: 0,
  "model-io": 1,
  tensor: 1,
  models: 2,
  data: 2,
  importance: 3,
  pruning: 3,
  lora: 3,
  evaluation: 3,
  recipes: 4,
  "test-utils": 4,
  cli: 5,
  playground: 5,
};

/** Imports within a layer that are allowed all the same. */
export const ALLOWED_SIDEWAYS: Readonly<Record<string, readonly string[]>> = { pruning: ["importance"] };

/** The only packages that may name a plugin, in an import or in a string. */
export const MAY_NAME_PLUGINS: readonly string[] = ["cli", "playground"];

/** What plugins may import of `packages/`, by the first word of their folder's name. */
export const PLUGIN_MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  backend: ["core", "tensor"],
  method: ["core", "pruning", "importance", "lora", "models", "tensor"],
  importance: ["core", "pruning", "importance", "models", "tensor"],
};

/** Packages of others that belong to one place; `*` ends a prefix. */
export const OWNED_EXTERNALS: readonly { external: string; owners: readonly string[] }[] = [
  { external: "@tensorflow/*", owners: ["tensor", "backend-*"] },
  { external: "onnxruntime-node", owners: ["backend-onnx"] },
  { external: "tsyringe", owners: ["core"] },
  { external: "reflect-metadata", owners: ["core"] },
];

/** The private package that is made for tests alone. */
export const TEST_SUPPORT = "test-utils";

/**
 * What tests may import undeclared: what the root's package.json brings, and the test support, which cannot
 * be declared by the packages that it depends on itself.
 */
export const UNDECLARED_IN_TESTS: readonly string[] = ["vitest", "typescript", "tsx", "@sdmprune/test-utils"];

/** All that core may import from outside. */
export const CORE_EXTERNALS: readonly string[] = ["tsyringe", "reflect-metadata", "zod", "pure-rand"];

/** Packages that run in a browser too: Node's modules only in `src/node.ts` and `src/node/`. */
export const ISOMORPHIC: readonly string[] = [
  "core",
  "model-io",
  "tensor",
  "models",
  "data",
  "importance",
  "pruning",
  "lora",
  "evaluation",
];

/** Entries that must not load something, however many files lie between. Type imports load nothing. */
export const UNLOADED: readonly {
  owner: string;
  entry: string;
  mustNotLoad: readonly string[];
  because: string;
}[] = [
  {
    owner: "models",
    entry: "./families",
    mustNotLoad: ["@sdmprune/tensor"],
    because: "a checkpoint is planned and pruned from its config without an engine",
  },
  {
    owner: "importance",
    entry: "./score-file",
    mustNotLoad: ["@sdmprune/tensor", "@sdmprune/models"],
    because: "a score file is read without an engine",
  },
  {
    owner: "pruning",
    entry: ".",
    mustNotLoad: ["@sdmprune/tensor", "@sdmprune/models", "@sdmprune/importance"],
    because:
      "pruning from a score file loads no engine; import the score-file and families entries, or types only",
  },
  {
    owner: "evaluation",
    entry: ".",
    mustNotLoad: ["@sdmprune/models", "@sdmprune/tensor"],
    because: "evaluation judges any model; what needs ours is in ./causal-lm",
  },
  {
    owner: "backend-*",
    entry: "./tfjs",
    mustNotLoad: ["@sdmprune/core", "@sdmprune/tensor"],
    because: "the backend is usable from any tfjs program",
  },
];

/** Source files of a package that alone may import something of the workspace. */
export const ONLY_IN: readonly { owner: string; imports: string; files: RegExp; where: string }[] = [
  {
    owner: "evaluation",
    imports: "models",
    files: /^src\/causal-lm(\.ts|\/|\.test\.ts)/,
    where: "src/causal-lm",
  },
];
