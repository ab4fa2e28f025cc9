import type { SourceFile, TextDocument } from "../document.js";

/** An instruction with its response: the loss is on the response only. */
export interface InstructionExample {
  /** `file: row n`. */
  readonly id: string;
  /** The instruction in its template, up to where the response begins. */
  readonly prompt: string;
  readonly response: string;
}

/** What is trained on: an instruction with its response, or plain text. */
export type TrainingExample = InstructionExample | TextDocument;

/** Training examples in file order, read as they are asked for. May be iterated any number of times. */
export interface TrainingSource extends AsyncIterable<TrainingExample> {
  /** What messages call it. */
  readonly name: string;
  /** The files behind it, hashed when this is called. */
  files(): Promise<readonly SourceFile[]>;
}
