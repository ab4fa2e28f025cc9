const BRAND = Symbol.for("@sdmprune/core/error");

export interface SdmPruneErrorOptions {
  /** The error that led to this one. */
  cause?: unknown;
}

/**
 * Base of every error this project throws on purpose. Its message is one line for a person:
 * `where: what was expected, got what it was.`, then what to do.
 */
export class SdmPruneError extends Error {
  /** Exit code of a program that ends on this error: 1, or 2 for wrong usage. */
  readonly exitCode: number = 1;

  constructor(message: string, options: SdmPruneErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    Object.defineProperty(this, BRAND, { value: true });
  }
}

/** The caller's words are wrong: an unknown option, a value out of range. Ends a program with exit code 2. */
export class UsageError extends SdmPruneError {
  override readonly exitCode = 2;
}

/** A file or document is malformed; reading it again will not help. */
export class FormatError extends SdmPruneError {}

/** A tensor has another shape or dtype than an operation needs. */
export class ShapeError extends SdmPruneError {}

/** A name is unknown, taken, or comes too late. */
export class RegistryError extends UsageError {}

/** A config file or an option object does not fit its schema; the message lists every problem. */
export class ConfigError extends UsageError {}

/** A plugin could not be loaded or registered. */
export class PluginError extends SdmPruneError {}

/** A loss, a score or a weight is NaN or infinite. */
export class NonFiniteError extends SdmPruneError {}

/** Something the caller asked for is missing: a file, a folder, a repository, a revision. */
export class NotFoundError extends SdmPruneError {}

/** The run was stopped from outside (Ctrl-C, an abort signal). */
export class InterruptedError extends SdmPruneError {
  override readonly exitCode = 130;
}

/**
 * Whether `error` was thrown on purpose by this project. Works across copies of this package,
 * which `instanceof` does not.
 */
export function isSdmPruneError(error: unknown): error is SdmPruneError {
  return typeof error === "object" && error !== null && (error as Record<symbol, unknown>)[BRAND] === true;
}

/** What would break a line or steer a terminal; messages quote files, which may hold anything. */
const CONTROL = /\s*[\u0000-\u001f\u007f-\u009f\u2028\u2029]\s*/g;

/** The message of an unknown thrown value, in one line without control characters. */
export function errorMessage(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(CONTROL, " ");
}
