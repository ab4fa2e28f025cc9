import type { Run } from "@sdmprune/core";
import { formatExamples, renderExamples } from "@sdmprune/data";
import { openTokenizer } from "@sdmprune/model-io/node";
import { openModel } from "./open-model.js";
import { openTrainingSequences } from "./open-training-sequences.js";
import type { TrainRequest } from "./train-request.js";
import { trainingMaxLength } from "./train.js";

/** The first examples as training would see them, with what no loss is on marked; as text for a person. */
export async function checkTrainingData(run: Run, request: TrainRequest, count = 10): Promise<string> {
  const model = await openModel(run, request.model);
  const tokenizer = await openTokenizer(model.checkpoint.dir);
  const { epochs } = await openTrainingSequences(run, request, tokenizer, {
    maxLength: trainingMaxLength(request, model),
    vocabSize: model.config.vocabSize,
  });
  return formatExamples(renderExamples(epochs(0), tokenizer, count));
}
