import { createRequire } from "node:module";
import { END_OF_RUN } from "./graph-builder.js";

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

/** What the binding says to an output of type bfloat16 (16 in ONNX), after the run. */
const NO_BFLOAT16 = "Tensor type (16) is not supported.";

/** Up to so many bytes of results, copying them takes less time than an error. */
const CHEAP_COPY_BYTES = 1 << 16;

/**
 * Runs a graph of `GraphBuilder` and leaves its results in `fetches`, and nowhere else.
 *
 * The binding copies every output into a new array when the run is done, even one that was written into an array that it
 * was given. For large outputs the copy takes longer than an addition: new memory costs a page fault every 4 KiB. It makes
 * the copies in the order of the outputs and gives up at the first one whose type JavaScript has not. Every graph's first
 * output is therefore a bfloat16, and the error that follows the run says that it has ended. A binding that had such a type
 * would return as usual.
 */
export function runInPlace(
  session: NativeSession,
  feeds: Record<string, NativeTensor>,
  fetches: Record<string, NativeTensor>,
): void {
  const bytes = Object.values(fetches).reduce((sum, { data }) => sum + data.byteLength, 0);
  if (bytes <= CHEAP_COPY_BYTES) {
    session.run(feeds, fetches, {});
    return;
  }
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // tracing the stack would take as long as a small run
  try {
    session.run(feeds, { [END_OF_RUN]: null, ...fetches }, {});
  } catch (error) {
    if (!(error instanceof Error) || error.message !== NO_BFLOAT16) throw error;
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}
