import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { configSchema, EXTENSION_POINTS, snakeCase, type Host } from "@sdmprune/core";
import { createHost } from "sdmprune";
import { z } from "zod";
import { writeEvaluationPage } from "../benchmarks/evaluation/report/evaluation-page.js";
import { writeSpeedPage } from "../benchmarks/speed/report/speed-page.js";

/** Writes the pages of docs/reference from the code they describe. CI checks that they are up to date. */
const folder = fileURLToPath(new URL("../docs/reference", import.meta.url));

function configPage(): string {
  const rows = Object.entries(configSchema.shape as Record<string, z.ZodType>).map(([key, field]) => {
    const [what, fallback] = (field.description ?? "").split(/ (?=Default: |No default)/);
    const shown = fallback?.replace(/^No default\.$/, "").replace(/^Default: (.*)\.$/, "$1");
    return `| \`${key}\` | \`${snakeCase(key)}\` | ${what} | ${shown ?? ""} |`;
  });
  return [
    "# Config file",
    "",
    "<!-- Written by `npm run docs` from packages/core/src/config/config-schema.ts. -->",
    "",
    "`sdmprune prune --config FILE` reads `sdmprune.config.ts` (default export, camelCase keys) or `sdmprune.config.yaml`",
    "(snake_case keys). Everything is optional. A flag on the command line wins over the file. Relative paths start at",
    "the folder in which the command runs.",
    "",
    "| TypeScript | YAML | what | default |",
    "| --- | --- | --- | --- |",
    ...rows,
    "",
  ].join("\n");
}

function extensionsPage(host: Host): string {
  const sections = Object.keys(EXTENSION_POINTS).flatMap((point) => {
    const entries = host.registry(point).entries();
    if (entries.length === 0) return [];
    const rows = entries.map(({ name, aliases = [], description = "", options, origin }) => {
      const names = [name, ...aliases].map((n) => `\`${n}\``).join(", ");
      return `| ${names} | ${description} | ${optionList(options)} | ${/"(.*)"/.exec(origin)?.[1] ?? origin} |`;
    });
    return [`## ${point}`, "", "| name | what | options | from |", "| --- | --- | --- | --- |", ...rows, ""];
  });
  return [
    "# Extensions",
    "",
    "<!-- Written by `npm run docs` from what the plugins register. -->",
    "",
    "What the program comes with, by extension point; `sdmprune ls` prints the same, with your plugins.",
    "",
    ...sections,
  ].join("\n");
}

/** `alpha` (0.4): what it is. */
function optionList(schema: z.ZodType | undefined): string {
  if (!schema) return "";
  const { properties = {} } = z.toJSONSchema(schema, { io: "input" }) as {
    properties?: Record<string, { description?: string; default?: unknown }>;
  };
  return Object.entries(properties)
    .map(
      ([name, { description, default: fallback }]) =>
        `\`${name}\` (${JSON.stringify(fallback)}): ${description}`,
    )
    .join("<br>");
}

await mkdir(folder, { recursive: true });
await writeFile(join(folder, "config.md"), configPage());
await writeFile(join(folder, "extensions.md"), extensionsPage(await createHost()));
await writeSpeedPage();
await writeEvaluationPage();
