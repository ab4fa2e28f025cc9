import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = join(import.meta.dirname, "../../..");

interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

/** What is broken in broken-plugin.ts, and the test that finds it out. */
const broken = [
  ['allocation "lavish"', "gives every layer some of its neurons, in whole multiples, and keeps the budget"],
  ['importance "constant"', "tells neurons apart"],
  [
    'importance "forgetful"',
    "gives the same scores when a sweep goes on from another's sums, or says that it has a state",
  ],
  ['importance "infinite"', "gives every neuron a finite score, the same twice, and leaves no tensor behind"],
  ['importance "leaking"', "gives every neuron a finite score, the same twice, and leaves no tensor behind"],
  ['importance "restless"', "gives the same scores when others are scored in the same sweep"],
  ['importance "short"', "gives every neuron a finite score, the same twice, and leaves no tensor behind"],
  ['method "generous"', "keeps 10 of 24 neurons of every layer, in a model that runs"],
  ['method "terse"', "describes its option power and gives it a default"],
  ['method "terse"', "has a description of one line"],
  ['model "unheard-of"', "comes with the config of a small model to try it out"],
] as const;

it("fails for every promise that a plugin breaks, and for no other extension", () => {
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const config = join(import.meta.dirname, "broken-plugin.config.ts");
  const args = [vitest, "run", "--root", root, "--config", config, "--reporter=json", "broken-plugin.ts"];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  expect(stdout, stderr).toContain("{");
  const { testResults } = JSON.parse(stdout.slice(stdout.indexOf("{"))) as Report;
  const failed = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === "failed")
    .map(({ fullName }) => fullName.replace("plugin broken ", ""));
  for (const [extension, promise] of broken) expect(failed).toContain(`${extension} ${promise}`);
  const extensions = failed.map((name) => /^\w+ "[^"]+"/.exec(name)?.[0] ?? name);
  expect(new Set(extensions)).toEqual(new Set(broken.map(([extension]) => extension)));
}, 60_000);
