import type * as tf from "@tensorflow/tfjs-core";

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    backend: TensorBackend;
  }
}

export interface BackendCapabilities {
  /**
   * Whether values can be read at once (`tensor.dataSync()`). A GPU's values arrive by promise (`await tensor.data()`),
   * which is how the operations of this package read on every backend.
   */
  readonly synchronous: boolean;
  /** Whether it computes in float16. */
  readonly float16: boolean;
  /** Where the tensors live. */
  readonly device: "cpu" | "gpu";
}

export type BackendAvailability =
  | { readonly available: true }
  /** `reason`: a phrase for a person, without a full stop, such as `no adapter found`. */
  | { readonly available: false; readonly reason: string };

export interface ActivateOptions {
  /** Compute threads, where the backend has a choice. Default: the backend's own, usually the number of cores. */
  threads?: number;
  /** Bytes of freed results to keep for the next ones, where the backend keeps any. Default: the backend's own. */
  poolBytes?: number;
}

/** What tfjs knows of the memory in use. A backend may add fields of its own, such as a pool's size. */
export interface BackendMemory extends tf.MemoryInfo {
  readonly [key: string]: unknown;
}

/**
 * An engine that tensors live and are computed on: the contract of the extension point `backend`.
 * Making one does nothing costly; `activate` loads the engine.
 */
export interface TensorBackend {
  /** The name it has in tfjs too: `tf.getBackend()` returns it once it is active. */
  readonly name: string;
  readonly capabilities: BackendCapabilities;
  /** Whether it can run on this machine. Must not throw. */
  isAvailable(): Promise<BackendAvailability>;
  /**
   * Registers it with tfjs, if it is not yet, and makes it the active backend. Repeatable.
   *
   * @throws {SdmPruneError} If the engine fails to start.
   */
  activate(options?: ActivateOptions): Promise<void>;
  memory(): BackendMemory;
  /** Milliseconds spent in its kernels so far, where it counts them. */
  kernelMs?(): number;
  /** Frees what it holds outside tensors. It can be activated again. */
  dispose?(): void | Promise<void>;
}
