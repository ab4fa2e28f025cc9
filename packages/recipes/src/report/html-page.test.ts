import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { barY } from "@observablehq/plot";
import { chromiumPath, withPage } from "@sdmprune/test-utils/browser";
import { afterAll, describe, expect, it } from "vitest";
import { drawPlot } from "./draw-plot.js";
import { html } from "./html.js";
import { choices, htmlPage, htmlTable } from "./html-page.js";

const bars = drawPlot({
  ariaLabel: "Two bars",
  marks: [barY([1, 2], { x: (_, i) => "ab"[i]!, y: (d: number) => d, title: (d: number) => `<${d}>` })],
});
const page = htmlPage({
  title: "A & B",
  body: [
    html`<h1>${"<script>alert(1)</script>"}</h1>`,
    htmlTable(["name", "n"], [["a", 1]]),
    choices("pick", "Which", [
      { label: "first", body: bars },
      { label: "second", body: html`<p id="second">two</p>` },
    ]),
  ],
});

describe("a page", () => {
  it("escapes what is put in, and keeps markup", () => {
    expect(html`<b>${"a<b>'&\""}</b>${[html`<i>${1}</i>`, undefined]}`.toString()).toBe(
      "<b>a&lt;b&gt;&#39;&amp;&quot;</b><i>1</i>",
    );
    expect(page).not.toContain("<script");
    expect(page).toContain("<title>A &amp; B</title>");
  });

  it("holds plots as finished pictures with a name and tool tips", () => {
    expect(bars.toString()).toMatch(/^<figure>.*role="img"/s);
    expect(bars.toString().match(/<rect/g)).toHaveLength(2);
    expect(bars.toString()).toContain("&lt;1&gt;");
  });
});

describe.skipIf(chromiumPath === undefined)(
  "a page in a browser (skipped without Chromium: apt-get install chromium)",
  () => {
    const folder = mkdtempSync(join(tmpdir(), "sdmprune-page-"));
    const file = join(folder, "page.html");
    writeFileSync(file, page);
    afterAll(() => rmSync(folder, { recursive: true }));

    it("switches between choices from the keyboard, asks for nothing, and follows the colour scheme", async () => {
      const background = await withPage(file, async ({ page: opened, problems, requests }) => {
        expect(await opened.locator("#second").isVisible()).toBe(false);
        expect(await opened.locator("svg rect").first().isVisible()).toBe(true);
        await opened.keyboard.press("Tab");
        await opened.keyboard.press("ArrowRight");
        expect(await opened.locator("#second").isVisible()).toBe(true);
        expect(await opened.locator("svg rect").first().isVisible()).toBe(false);
        expect({ problems, requests }).toEqual({ problems: [], requests: [] });
        return opened.evaluate(() => getComputedStyle(document.body).backgroundColor);
      });
      const dark = await withPage(
        file,
        ({ page: opened }) => opened.evaluate(() => getComputedStyle(document.body).backgroundColor),
        { colorScheme: "dark" },
      );
      expect([background, dark]).toEqual(["rgb(255, 255, 255)", "rgb(16, 19, 23)"]);
    });
  },
);
