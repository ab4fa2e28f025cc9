import type { JsonValue } from "@sdmprune/model-io";

/** A value as JSON with its keys in snake_case, the spelling of file formats. */
export function snakeKeys(value: unknown): JsonValue {
  if (Array.isArray(value)) return value.map(snakeKeys);
  if (typeof value !== "object" || value === null) return value as JsonValue;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([key, member]) => [
        key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        snakeKeys(member),
      ]),
  );
}
