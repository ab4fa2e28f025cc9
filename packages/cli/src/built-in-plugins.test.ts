import { fileURLToPath } from "node:url";
import backendOnnx from "@sdmprune/backend-onnx";
import { importancePlugin } from "@sdmprune/importance";
import { modelsPlugin } from "@sdmprune/models";
import { pruningPlugin } from "@sdmprune/pruning";
import { tensorPlugin } from "@sdmprune/tensor";
import { describePluginContract } from "@sdmprune/test-utils/plugin-contract";
import { expect, it } from "vitest";
import { createHost } from "./create-host.js";

const root = new URL("../../../", import.meta.url);
const builtIn = new Map([
  [backendOnnx, "plugins/backend-onnx"],
  [tensorPlugin, "packages/tensor"],
  [modelsPlugin, "packages/models"],
  [importancePlugin, "packages/importance"],
  [pruningPlugin, "packages/pruning"],
]);

it("covers every plugin that the program comes with", async () => {
  const { plugins } = await createHost();
  expect(plugins).toEqual([...builtIn.keys()].map(({ name }) => name));
});

for (const [plugin, folder] of builtIn) {
  describePluginContract(plugin, { folder: fileURLToPath(new URL(folder, root)) });
}
