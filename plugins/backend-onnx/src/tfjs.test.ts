import { build } from "esbuild";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

it("needs nothing of SDMPrune, and loads tfjs and ONNX Runtime only once register is called", async () => {
  const { metafile } = await build({
    entryPoints: [fileURLToPath(new URL("./tfjs.ts", import.meta.url))],
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    packages: "external",
    outdir: "unused",
    write: false,
    metafile: true,
    logLevel: "error",
  });
  const imported = (file: string) =>
    metafile.outputs[file]!.imports.filter(({ kind }) => kind === "import-statement");
  const packages = Object.values(metafile.outputs).flatMap(({ imports }) =>
    imports.filter(({ external, path }) => external && !path.startsWith("node:")).map(({ path }) => path),
  );
  expect([...new Set(packages)].sort()).toEqual(["@tensorflow/tfjs-backend-cpu", "@tensorflow/tfjs-core"]);

  const entry = Object.keys(metafile.outputs).find((file) => file.endsWith("tfjs.js"))!;
  const reached = new Set([entry]);
  for (const file of reached) {
    for (const { path, external } of imported(file)) {
      expect(external, `${file} imports ${path}`).toBeFalsy();
      reached.add(path);
    }
  }
});
