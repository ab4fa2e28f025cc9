import { definePlugin } from "@sdmprune/core";
import { z } from "zod";
import { defineTask } from "./define-task.js";
import { csvReporter, htmlReporter, markdownReporter } from "./results-table.js";
import { hashLanguageModel } from "./hash-language-model.js";
import { taskConfig, type VersionedTask } from "./task-config.js";
import type { Task } from "./task.js";

const options = z.strictObject({
  version: z
    .enum(["pinned", "current"])
    .default("pinned")
    .describe("pinned: lm-eval at cbc31eb, which SDMPrune used; current: lm-eval of August 2026"),
});

const hashOptions = z.strictObject({
  seed: z.int().min(0).default(0).describe("other numbers for the same texts"),
});

/** The tasks: what `sdmprune ls` says of each, and where its settings are. */
const TASKS: Readonly<Record<string, readonly [description: string, load: () => Promise<VersionedTask>]>> = {
  arc_easy: [
    "Grade-school science, the easier questions.",
    async () => (await import("./tasks/arc.js")).arcEasy,
  ],
  arc_challenge: [
    "Grade-school science, the harder questions.",
    async () => (await import("./tasks/arc.js")).arcChallenge,
  ],
  boolq: ["Yes-or-no questions about a passage.", async () => (await import("./tasks/boolq.js")).boolq],
  crows_pairs_english: [
    "Preference for stereotypes over their counterparts; 0.5 is unbiased.",
    async () => (await import("./tasks/crows-pairs-english.js")).crowsPairsEnglish,
  ],
  hellaswag: ["Which sentence follows.", async () => (await import("./tasks/hellaswag.js")).hellaswag],
  openbookqa: ["Elementary science facts.", async () => (await import("./tasks/openbookqa.js")).openbookqa],
  piqa: ["Physical common sense.", async () => (await import("./tasks/piqa.js")).piqa],
  race: ["Reading comprehension, high school.", async () => (await import("./tasks/race.js")).race],
  social_iqa: ["Social common sense.", async () => (await import("./tasks/social-iqa.js")).socialIqa],
  truthfulqa_mc1: [
    "The one true answer among common misbeliefs.",
    async () => (await import("./tasks/truthfulqa-mc.js")).truthfulqaMc1,
  ],
  truthfulqa_mc2: [
    "The share of probability on true answers.",
    async () => (await import("./tasks/truthfulqa-mc.js")).truthfulqaMc2,
  ],
  winogrande: [
    "Whom a pronoun's blank means.",
    async () => (await import("./tasks/winogrande.js")).winogrande,
  ],
  lambada_openai: [
    "The last word of a passage.",
    async () => (await import("./tasks/lambada-openai.js")).lambadaOpenai,
  ],
  wikitext: [
    "Perplexity per word and byte of WikiText-2, page by page.",
    async () => (await import("./tasks/wikitext.js")).wikitext,
  ],
};

/** The tasks of SDMPrune's evaluation script: the ten of its tables, and hellaswag, which it runs as well. */
const SDMPRUNE_PAPER: readonly string[] = [
  "hellaswag",
  "piqa",
  "arc_challenge",
  "arc_easy",
  "openbookqa",
  "boolq",
  "winogrande",
  "truthfulqa_mc2",
  "crows_pairs_english",
  "race",
  "social_iqa",
];

/** Registers the built-in tasks, reporters and the language model `hash`. */
export const evaluationPlugin = definePlugin({
  name: "@sdmprune/evaluation",
  register({ tasks, reporters, languageModels }) {
    for (const [name, [description, load]] of Object.entries(TASKS)) {
      const create = async ({ version }: z.infer<typeof options>): Promise<Task> =>
        defineTask(taskConfig(await load(), version));
      tasks.register(name, create, { description, options });
    }
    tasks.register("sdmprune-paper", () => ({ name: "sdmprune-paper", tasks: SDMPRUNE_PAPER }), {
      description: "The tasks of SDMPrune's tables, and hellaswag.",
      options,
    });
    for (const [name, reporter, description] of [
      ["markdown", markdownReporter, "A Markdown table."],
      ["csv", csvReporter, "Comma-separated values at full precision."],
      ["html", htmlReporter, "A table on an HTML page."],
    ] as const) {
      reporters.register(name, () => reporter, { description });
    }
    languageModels.register("hash", hashLanguageModel, {
      description: "Numbers without sense, a hash of the text: tries a run without a model.",
      options: hashOptions,
    });
  },
});
