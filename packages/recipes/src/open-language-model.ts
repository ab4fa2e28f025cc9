import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Run } from "@sdmprune/core";
import type { EvaluationRun, LanguageModel, NamedToken, TaskVersion } from "@sdmprune/evaluation";
import { causalLanguageModel } from "@sdmprune/evaluation/causal-lm";
import { openTokenizer } from "@sdmprune/model-io/node";
import type { CausalLM } from "@sdmprune/models";
import { applyAdapter, type AppliedAdapter } from "./apply-adapter.js";
import { openModel } from "./open-model.js";
import { startEngine, type EngineRequest } from "./start-engine.js";

export interface LanguageModelRequest extends EngineRequest {
  /** A checkpoint folder, a hub id, or a registered language model. */
  readonly model: string;
  /** Folder of a LoRA adapter to apply to the model. */
  readonly adapter?: string;
  /** Sequences at a time; results do not depend on it. Default `auto`. */
  readonly batchSize?: number | "auto";
  /** Whether every text begins with BOS. Default: in the pinned lm-eval no, today what the tokenizer does. */
  readonly addBos?: boolean;
  /** Tokens of context. Default: the model's longest sequence. */
  readonly maxLength?: number;
  readonly taskVersion?: TaskVersion;
}

/** A language model, and what a journal and a results file say of it. */
export interface OpenedLanguageModel {
  readonly lm: LanguageModel;
  /** What its answers depend on. */
  readonly identity: Readonly<Record<string, unknown>>;
  readonly description: Pick<
    EvaluationRun,
    "modelArgs" | "batchSize" | "device" | "maxLength" | "tokenizerTokens"
  >;
  dispose(): void | Promise<void>;
}

/**
 * Opens what is to be evaluated: a registered language model of this name, else a checkpoint, which starts the
 * tensor engine.
 */
export async function openLanguageModel(
  run: Run,
  request: LanguageModelRequest,
): Promise<OpenedLanguageModel> {
  const { languageModels } = run.registries;
  if (languageModels.has(request.model)) {
    const lm = await languageModels.create(request.model);
    return { lm, identity: { model: request.model }, description: {}, dispose: () => {} };
  }
  const model = await openModel(run, request.model);
  const tokenizer = await openTokenizer(model.checkpoint.dir);
  const { batchSize = "auto", maxLength = model.config.maxPositionEmbeddings } = request;
  const version = request.taskVersion ?? "pinned";
  const addBos = request.addBos ?? (version === "current" && tokenizer.addsBosToken);
  const backend = await startEngine(run, request);
  const causal = await model.family.load(model.checkpoint, model.config);
  const { adapter: adapterDir } = request;
  const adapter = adapterDir === undefined ? undefined : await adapterOf(causal, adapterDir);
  const token = (id: number | undefined): NamedToken | undefined =>
    id === undefined ? undefined : [tokenizer.idToToken(id) ?? "", String(id)];
  const [bos, eos, pad] = [tokenizer.bosTokenId, tokenizer.eosTokenId, tokenizer.padTokenId].map(token);
  return {
    lm: causalLanguageModel(causal, tokenizer, { batchSize, addBos, maxLength, version, seed: run.seed }),
    identity: {
      model: await checkpointFingerprint(model.checkpoint.dir),
      ...(adapterDir !== undefined && { adapter: await checkpointFingerprint(adapterDir) }),
      ...{ addBos, maxLength, version },
    },
    description: {
      modelArgs: {
        add_bos_token: addBos,
        dtype: "float32",
        ...(adapterDir !== undefined && { peft: adapterDir }),
      },
      batchSize,
      device: backend.capabilities.device,
      maxLength,
      tokenizerTokens: { ...(bos && { bos }), ...(eos && { eos }), ...(pad && { pad }) },
    },
    dispose() {
      adapter?.dispose();
      causal.dispose();
    },
  };
}

async function adapterOf(model: CausalLM, dir: string): Promise<AppliedAdapter> {
  try {
    return await applyAdapter(model, dir);
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** SHA-256 over names, sizes and times of a checkpoint's files: another checkpoint in its place is another model. */
async function checkpointFingerprint(dir: string): Promise<string> {
  const hash = createHash("sha256");
  const names = (await readdir(dir)).filter((name) => /\.(safetensors|json|model)$/.test(name)).sort();
  for (const name of names) {
    const { size, mtimeMs } = await stat(join(dir, name));
    hash.update(`${name} ${size} ${mtimeMs}\n`);
  }
  return hash.digest("hex");
}
