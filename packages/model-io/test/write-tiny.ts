/**
 * Writes sharded checkpoints into one folder, again and again, each with another seed: for the test that
 * kills it. Usage: `tsx packages/model-io/test/write-tiny.ts <folder> <number of times>`.
 */
import { writeCheckpoint } from "@sdmprune/model-io/node";
import { TINY_CONFIG, tinyTensors } from "./tiny-checkpoint.js";

const [folder, times] = process.argv.slice(2);
for (let seed = 0; seed < Number(times); seed++) {
  const extraFiles = { "seed.txt": String(seed) };
  const tensors = tinyTensors(seed);
  await writeCheckpoint(folder!, {
    config: TINY_CONFIG,
    tensors,
    extraFiles,
    maxShardBytes: 700,
    force: true,
  });
  process.stdout.write(".");
}
