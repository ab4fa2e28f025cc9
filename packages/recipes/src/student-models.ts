import type { CausalLM, WeightResidency } from "@sdmprune/models";
import type { KeptNeurons } from "@sdmprune/pruning";
import type { OpenedModel } from "./open-model.js";

/**
 * The models of a run: the students of its stages one after another, and the original beside them. What they have in
 * common is in memory once, and what the next student does not have is let go of.
 */
export class StudentModels {
  #student: CausalLM | undefined;
  #original: CausalLM | undefined;
  #residency: WeightResidency | undefined;

  constructor(private readonly model: OpenedModel) {}

  /** The next student, which takes the place of the one before. */
  async student(residency: WeightResidency, kept?: KeptNeurons): Promise<CausalLM> {
    const next = await this.#load(residency, kept);
    this.#dropModels();
    this.#student = next;
    this.#residency = residency;
    return next;
  }

  /** A model with other neurons than the student has. The caller disposes it. */
  async variant(residency: WeightResidency, kept: (Int32Array | undefined)[]): Promise<CausalLM> {
    return this.#load(residency, kept);
  }

  /** The whole model beside the student, until the next student comes. */
  async original(residency: WeightResidency): Promise<CausalLM> {
    return (this.#original ??= await this.#load(residency));
  }

  dispose(): void {
    this.#dropModels();
  }

  async #load(residency: WeightResidency, kept?: readonly (Int32Array | undefined)[]): Promise<CausalLM> {
    const { family, checkpoint, config } = this.model;
    const before = this.#residency === residency ? this.#student : undefined;
    return family.load(checkpoint, config, {
      residency,
      ...(kept && { view: kept }),
      ...(before && { shareWith: before }),
    });
  }

  #dropModels(): void {
    this.#original?.dispose();
    this.#student?.dispose();
    this.#original = undefined;
    this.#student = undefined;
  }
}
