import { existsSync } from "node:fs";
import { expect, it } from "vitest";
import { createHost } from "./create-host.js";

const root = new URL("../../../", import.meta.url);

it("comes with plugins that each run the plugin contract in their package's tests", async () => {
  const { plugins } = await createHost();
  expect(plugins).toContain("@sdmprune/importance");
  const without = plugins.filter((name) => {
    const folder = name.replace("@sdmprune/", "");
    const places = [`packages/${folder}`, `plugins/${folder}`];
    return !places.some((place) => existsSync(new URL(`${place}/test/plugin-contract.test.ts`, root)));
  });
  expect(without).toEqual([]);
});
