import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

/** Every module that a file of ours reaches by import. */
function reach(url: URL, seen = new Set<string>()): Set<string> {
  if (seen.has(url.href)) return seen;
  seen.add(url.href);
  const text = readFileSync(url, "utf8");
  for (const [, name] of text.matchAll(/^(?:import|export)[^;]*?from "([^"]+)"/gms)) {
    if (name!.startsWith(".")) reach(new URL(name!.replace(/\.js$/, ".ts"), url), seen);
    else seen.add(name!);
  }
  return seen;
}

it("reaches nothing of Node from the main entry, so that it runs in a browser", () => {
  const modules = [...reach(new URL("./index.ts", import.meta.url))].filter(
    (name) => !name.startsWith("file:"),
  );
  expect(modules.sort()).toEqual(["@huggingface/tokenizers", "@sdmprune/core"]);
});
