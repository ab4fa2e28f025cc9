import { availableParallelism } from "node:os";
import { GraphBuilder, type ElementType } from "./graph-builder.js";
import { nativeBinding, runInPlace, type NativeSession, type NativeTensor } from "./native-binding.js";

/** A graph loaded into ONNX Runtime, ready to run on any shapes. */
export interface Program {
  /** Runs it. Inputs and outputs stand in the order in which the graph declared them; outputs are filled. */
  run(inputs: readonly TensorView[], outputs: readonly TensorView[]): void;
}

/** Typed array and shape. */
export interface TensorView {
  readonly data: ArrayBufferView;
  readonly dims: readonly number[];
}

/**
 * Sessions own their threads, so a machine with many cores would get thousands. Only matrix products profit from all
 * cores; the rest is bound by memory, which this many threads saturate.
 */
const MEMORY_BOUND_THREADS = 8;

/** Programs kept; beyond this the one unused for longest goes. A process that prunes uses about twenty. */
const MAX_PROGRAMS = 512;

const programs = new Map<string, LoadedProgram>();
let threads = availableParallelism();

class LoadedProgram implements Program {
  readonly #session: NativeSession;
  readonly #inputs: readonly { name: string; type: ElementType }[];
  readonly #outputs: readonly { name: string; type: ElementType }[];

  constructor(
    graph: GraphBuilder,
    { computeBound = false, keepScratch = false, threads: ownThreads }: ProgramOptions,
  ) {
    this.#inputs = graph.inputs;
    this.#outputs = graph.outputs;
    this.#session = nativeBinding().createSession();
    const model = graph.encode();
    this.#session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
      intraOpNumThreads: ownThreads ?? (computeBound ? threads : Math.min(threads, MEMORY_BOUND_THREADS)),
      interOpNumThreads: 1,
      executionMode: "sequential",
      enableCpuMemArena: keepScratch,
      enableMemPattern: false, // it plans for one shape, and the shapes vary
      // Nothing beyond folding constants: fused operators round differently from what the graph says.
      graphOptimizationLevel: "basic",
      logSeverityLevel: 4, // errors are thrown; they need not be printed as well
      extra: {
        session: {
          // The threads of one session must not spin while another one works: with spinning, a transformer block took
          // 940 ms instead of 513, and the hundredth session 50 ms to load instead of 0.3.
          force_spinning_stop: "1",
          intra_op: { allow_spinning: "0" },
          use_deterministic_compute: "1",
        },
      },
    });
  }

  run(inputs: readonly TensorView[], outputs: readonly TensorView[]): void {
    const { createTensor } = nativeBinding();
    const feeds: Record<string, NativeTensor> = {};
    const fetches: Record<string, NativeTensor> = {};
    this.#inputs.forEach(({ name, type }, i) => {
      const view = inputs[i]!;
      feeds[name] = createTensor(type, view.data, view.dims);
    });
    this.#outputs.forEach(({ name, type }, i) => {
      const view = outputs[i]!;
      fetches[name] = createTensor(type, view.data, view.dims);
    });
    runInPlace(this.#session, feeds, fetches);
  }

  dispose(): void {
    this.#session.dispose();
  }
}

export interface ProgramOptions {
  /** Whether arithmetic outweighs memory traffic, so that every core helps. Default: false. */
  computeBound?: boolean;
  /**
   * Whether memory for intermediate values is kept between runs: right for programs that run tile by tile, while one
   * on whole tensors would sit on as much memory as the largest tensor it ever saw. Default: false.
   */
  keepScratch?: boolean;
  /** For work so small that waking another thread takes longer. Default: all, or what saturates the memory. */
  threads?: number;
}

/**
 * The program of this name, built by `build` at first use. Programs outlive backends: they are kept for the process,
 * and hold no tensor.
 */
export function program(
  name: string,
  build: (graph: GraphBuilder) => void,
  options: ProgramOptions = {},
): Program {
  const known = programs.get(name);
  if (known) {
    programs.delete(name); // to the end: most recently used
    programs.set(name, known);
    return known;
  }
  const graph = new GraphBuilder();
  build(graph);
  const made = new LoadedProgram(graph, options);
  programs.set(name, made);
  for (const [oldest, unused] of programs) {
    if (programs.size <= MAX_PROGRAMS) break;
    unused.dispose();
    programs.delete(oldest);
  }
  return made;
}

/**
 * Sets how many threads compute, this one included; drops the programs if that changes. Default: the number of cores.
 *
 * @throws {RangeError} If it is no positive integer.
 */
export function setThreads(numThreads: number = availableParallelism()): void {
  if (!Number.isSafeInteger(numThreads) || numThreads < 1) {
    throw new RangeError(`threads: expected a positive integer, got ${numThreads}.`);
  }
  if (numThreads !== threads) disposePrograms();
  threads = numThreads;
}

/** How many threads compute. */
export function numThreads(): number {
  return threads;
}

/** How many programs are loaded. */
export function numPrograms(): number {
  return programs.size;
}

/** Frees the loaded programs; they are built again when needed. */
export function disposePrograms(): void {
  for (const p of programs.values()) p.dispose();
  programs.clear();
}
