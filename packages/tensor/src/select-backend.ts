import { errorMessage, SdmPruneError, type Registries, UsageError } from "@sdmprune/core";
import * as tf from "@tensorflow/tfjs-core";
import type { ActivateOptions, TensorBackend } from "./backend.js";

export interface SelectBackendOptions extends ActivateOptions {
  /** Take this backend or fail. */
  name?: string;
  /** Names in the order in which to try them. Default: the order of registration. */
  order?: readonly string[];
}

export interface BackendSelection {
  /** The backend that is active now. */
  readonly backend: TensorBackend;
  /** Those that were tried before it, and why each cannot run. */
  readonly skipped: readonly { readonly name: string; readonly reason: string }[];
}

/**
 * Activates the backend called `name`, or else the first one of `order` that can run.
 *
 * @param registries - `host.registries`, or those of a run.
 * @throws {RegistryError} If a name is unknown.
 * @throws {UsageError} If no backend is registered, or `threads` is no positive integer.
 * @throws {SdmPruneError} If none of them can run; the message says why for each.
 */
export async function selectBackend(
  registries: Pick<Registries, "backends">,
  { name, order, threads, poolBytes }: SelectBackendOptions = {},
): Promise<BackendSelection> {
  if (threads !== undefined && (!Number.isSafeInteger(threads) || threads < 1)) {
    throw new UsageError(`threads: expected a positive integer, got ${threads}.`);
  }
  const names = name !== undefined ? [name] : (order ?? registries.backends.names());
  if (names.length === 0) {
    throw new UsageError(
      "selectBackend: expected at least one backend, got none. Register a plugin such as @sdmprune/backend-onnx.",
    );
  }
  for (const n of names) registries.backends.entry(n); // a slip in the last name must not go unseen
  const skipped: { name: string; reason: string; cause?: unknown }[] = [];
  for (const n of names) {
    try {
      const backend = await registries.backends.create(n);
      const availability = await backend.isAvailable();
      if (availability.available) {
        await backend.activate({
          ...(threads !== undefined && { threads }),
          ...(poolBytes !== undefined && { poolBytes }),
        });
        return { backend, skipped: skipped.map(({ name, reason }) => ({ name, reason })) };
      }
      skipped.push({ name: n, reason: availability.reason });
    } catch (cause) {
      skipped.push({ name: n, reason: errorMessage(cause).replace(/\.$/, ""), cause });
    }
  }
  const reasons = skipped.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
  const hint = name === undefined ? "" : ` Leave the backend's name out to take the first that can run.`;
  throw new SdmPruneError(`No tensor backend can run here (${reasons}).${hint}`, {
    cause: skipped.find(({ cause }) => cause !== undefined)?.cause,
  });
}

/**
 * Runs `body` on a backend chosen as by {@link selectBackend}, then makes the backend active again that was before
 * and disposes the chosen one. Tensors made in `body` do not outlive it.
 */
export async function withBackend<R>(
  registries: Pick<Registries, "backends">,
  options: SelectBackendOptions,
  body: (selection: BackendSelection) => R | Promise<R>,
): Promise<R> {
  const before = tf.engine().backendName;
  const selection = await selectBackend(registries, options);
  try {
    return await body(selection);
  } finally {
    if (before && before !== selection.backend.name) await tf.setBackend(before);
    await selection.backend.dispose?.();
  }
}
