import { createRequire } from "node:module";

/** A tensor as the native binding takes and gives it; `data` is read and written in place. */
export interface NativeTensor {
  readonly type: string;
  readonly data: ArrayBufferView;
  readonly dims: readonly number[];
}

/** The session class of the native binding. Unlike the public one, it runs synchronously. */
export interface NativeSession {
  loadModel(buffer: ArrayBufferLike, byteOffset: number, byteLength: number, options: object): void;
  run(
    feeds: Record<string, NativeTensor>,
    fetches: Record<string, NativeTensor | null>,
    options: object,
  ): Record<string, NativeTensor>;
  dispose(): void;
}

export interface NativeBinding {
  createSession(): NativeSession;
  createTensor(type: string, data: ArrayBufferView, dims: readonly number[]): NativeTensor;
}

interface BindingModule {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
}

interface OnnxRuntimeModule {
  Tensor: new (type: string, data: ArrayBufferView, dims: readonly number[]) => NativeTensor;
}

let loaded: NativeBinding | undefined;

/**
 * Loads ONNX Runtime's native binding. The kernels of tfjs must return at once, and the public
 * `InferenceSession.run` of onnxruntime-node is a promise around the synchronous class used here. That class is no
 * public API: this is the only file which knows it, the version is pinned, and `native-binding.test.ts` holds it.
 *
 * @throws {Error} If onnxruntime-node has no binary for this platform.
 */
export function nativeBinding(): NativeBinding {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  let inner: BindingModule;
  let outer: OnnxRuntimeModule;
  try {
    inner = require("onnxruntime-node/dist/binding.js") as BindingModule;
    outer = require("onnxruntime-node") as OnnxRuntimeModule;
    inner.initOrt();
  } catch (cause) {
    throw new Error(
      `ONNX Runtime does not load on ${process.platform}-${process.arch}, Node ${process.versions.node}.`,
      { cause },
    );
  }
  const { InferenceSession } = inner.binding;
  const { Tensor } = outer;
  loaded = {
    createSession: () => new InferenceSession(),
    createTensor: (type, data, dims) => new Tensor(type, data, dims),
  };
  return loaded;
}
