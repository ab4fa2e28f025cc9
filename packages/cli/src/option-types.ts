import { InvalidArgumentError } from "commander";

/** Parsers of option values for commander. Each error becomes one usage line with the option's name. */

export function integer(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < min) {
      throw new InvalidArgumentError(`Expected an integer of at least ${min}.`);
    }
    return value;
  };
}

/** A number of at least 1, or `auto`. */
export function autoOrInteger(text: string): number | "auto" {
  if (text === "auto") return text;
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError("Expected auto or an integer of at least 1.");
}

export function numberBetween(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= min && value <= max)) {
      throw new InvalidArgumentError(`Expected a number from ${min} to ${max}.`);
    }
    return value;
  };
}

export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Infinity)) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
}

/** The part to remove: at least 0, less than 1. */
export function ratio(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value > 0 && value < 1)) {
    throw new InvalidArgumentError("Expected the part to remove, above 0 and below 1, for example 0.2.");
  }
  return value;
}

/** One part of several: `2/8`. */
export function shard(text: string): { index: number; count: number } {
  const [, index, count] = /^([1-9]\d{0,8})\/([1-9]\d{0,8})$/.exec(text) ?? [];
  if (index === undefined || Number(index) > Number(count)) {
    throw new InvalidArgumentError("Expected which part of how many, for example 2/8.");
  }
  return { index: Number(index), count: Number(count) };
}

export function nameList(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.some((name) => name === ""))
    throw new InvalidArgumentError("Expected names separated by commas.");
  return names;
}

/** Collects a repeatable option. */
export function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Collects repeatable `key=value` pairs. A value is read as JSON where it is any, else as text. */
export function keyValue(
  text: string,
  before: Readonly<Record<string, unknown>> = {},
): Record<string, unknown> {
  const [, key, value] = /^([A-Za-z]\w*)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined) {
    throw new InvalidArgumentError("Expected key=value, for example taylor=vectorize.");
  }
  return { ...before, [key]: jsonOrText(value) };
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** A number of workers, or `auto`. */
export function workerCount(text: string): number | "auto" {
  return text === "auto" ? text : integer(1)(text);
}
