import { FormatError } from "@sdmprune/core";
import type { Row } from "../read-rows.js";
import { describe } from "../row-document.js";
import { alpacaPrompt } from "./alpaca-prompt.js";
import type { InstructionExample } from "./training-example.js";

const INSTRUCTION_KEY = "instruction";
/** Names of the optional input: Alpaca's, Dolly's. */
const INPUT_KEYS = ["input", "context"];
/** Names of the response: Alpaca's, LaMini-instruction's. */
const RESPONSE_KEYS = ["output", "response"];

/** Whether rows like this one are instructions rather than plain text. */
export function isInstructionRow(row: Readonly<Record<string, unknown>>): boolean {
  return INSTRUCTION_KEY in row;
}

/**
 * Puts a row with `instruction`, perhaps `input` or `context`, and `output` or `response` (Alpaca,
 * LaMini-instruction, Dolly) into the Alpaca template.
 *
 * @throws {FormatError} If a field is missing or no string; names file and row.
 */
export function instructionExample({ id, value }: Row): InstructionExample {
  const instruction = textField(value, [INSTRUCTION_KEY], id);
  const input = INPUT_KEYS.some((key) => key in value) ? textField(value, INPUT_KEYS, id) : "";
  const response = textField(value, RESPONSE_KEYS, id);
  return { id, prompt: instruction.trim() === "" ? "" : alpacaPrompt(instruction, input), response };
}

/** The first of `keys` that the row has; null counts as empty. */
function textField(row: Readonly<Record<string, unknown>>, keys: readonly string[], id: string): string {
  const key = keys.find((each) => each in row);
  if (key === undefined) {
    const fields = Object.keys(row);
    throw new FormatError(
      `${id}: expected a field ${keys.map((each) => `"${each}"`).join(" or ")}, got ` +
        `${fields.length === 0 ? "a row without fields" : `fields ${fields.map((each) => `"${each}"`).join(", ")}`}. ` +
        `Correct or remove the row.`,
    );
  }
  const value = row[key];
  if (typeof value === "string") return value;
  if (value === null) return "";
  throw new FormatError(
    `${id}: expected "${key}" to be a string, got ${describe(value)}. Correct or remove the row.`,
  );
}
