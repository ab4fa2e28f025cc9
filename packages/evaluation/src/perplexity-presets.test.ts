import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { findPerplexityPreset } from "./perplexity-presets.js";

const shared =
  process.env["SDMPRUNE_SHARED"] ?? fileURLToPath(new URL("../../../../shared", import.meta.url));
const wikitext = `${shared}/data/wikitext2/wiki.test.raw`;

describe("findPerplexityPreset", () => {
  it("keeps line ends and empties white lines of WikiText, so that texts are three newlines apart", () => {
    const { rowsOfFile, textOfRows } = findPerplexityPreset("wikitext2-2048");
    const rows = rowsOfFile(" \n = A = \n \n text \n");
    expect(rows).toEqual(["", " = A = \n", "", " text \n"]);
    expect(textOfRows(rows)).toBe("\n\n = A = \n\n\n\n\n text \n");
  });

  it("strips the lines of Penn Treebank", () => {
    const { rowsOfFile, textOfRows, window } = findPerplexityPreset("ptb-128");
    expect(textOfRows(rowsOfFile(" a b \n c \n"))).toBe("a b\n\nc");
    expect(window).toBe(128);
  });

  it("refuses an unknown name", () => {
    expect(() => findPerplexityPreset("c4")).toThrow(
      'preset: expected wikitext2-2048, wikitext2-128, ptb-2048, ptb-128, got "c4".',
    );
  });

  it.skipIf(!existsSync(wikitext))(
    "makes of WikiText-2's test file the hub's 4358 rows and 1,296,370 bytes (needs ../shared)",
    async () => {
      const { rowsOfFile, textOfRows } = findPerplexityPreset("wikitext2-2048");
      const rows = rowsOfFile(await readFile(wikitext, "utf8"));
      expect(rows.length).toBe(4358);
      expect(rows.filter((row) => row === "").length).toBe(1467);
      const bytes = Buffer.from(textOfRows(rows));
      expect(bytes.length).toBe(1_296_370);
    },
  );
});
