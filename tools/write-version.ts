import { readFile, writeFile } from "node:fs/promises";

/** Carries the version of packages/core/package.json over into its source, after `changeset version`. */
const core = new URL("../packages/core/", import.meta.url);
const { version } = JSON.parse(await readFile(new URL("package.json", core), "utf8")) as { version: string };
const source = new URL("src/version.ts", core);
const text = await readFile(source, "utf8");
await writeFile(source, text.replace(/VERSION = "[^"]*"/, `VERSION = "${version}"`));
