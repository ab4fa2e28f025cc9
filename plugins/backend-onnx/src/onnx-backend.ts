import { MathBackendCPU } from "@tensorflow/tfjs-backend-cpu";
import { type backend_util, type DataType, type TensorInfo, util } from "@tensorflow/tfjs-core";
import { BufferPool } from "./buffer-pool.js";
import type { Program, TensorView } from "./runtime/program.js";

type Values = backend_util.BackendValues;
type DataId = TensorInfo["dataId"];

/** Dtypes that ONNX graphs compute here, and how their values are stored. */
const STORAGE = { float32: Float32Array, int32: Int32Array, bool: Uint8Array } as const;

export type NativeDType = keyof typeof STORAGE;
export type NativeArray = Float32Array | Int32Array | Uint8Array;

/** A result of a program: its shape in tfjs, and in the graph where that differs. */
export interface OutputSpec {
  readonly shape: readonly number[];
  readonly dtype: NativeDType;
  readonly dims?: readonly number[];
}

/**
 * Tensors as typed arrays, as in tfjs's CPU backend, whose kernels therefore work on it unchanged; results of native
 * kernels live in pooled buffers. A buffer goes back to the pool once no tensor views it, unless its values have been
 * read by the program, which may keep the array it was given.
 */
export class OnnxBackend extends MathBackendCPU {
  readonly pool: BufferPool;

  constructor(poolBytes?: number) {
    super();
    this.pool = new BufferPool(poolBytes);
  }

  override write(values: Values, _shape: number[], dtype: DataType): DataId {
    const dataId = {};
    this.data.set(dataId, { values, dtype, refCount: 1 });
    this.#retain(values);
    return dataId;
  }

  override move(dataId: DataId, values: Values, shape: number[], dtype: DataType, refCount: number): void {
    super.move(dataId, values, shape, dtype, refCount);
    this.#retain(values);
  }

  override readSync(dataId: DataId): Values {
    const { values } = this.data.get(dataId);
    if (ArrayBuffer.isView(values)) this.pool.forsake(values.buffer);
    return super.readSync(dataId);
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const gone = super.disposeData(dataId, force);
    if (gone && ArrayBuffer.isView(values)) this.pool.release(values.buffer);
    return gone;
  }

  override memory(): ReturnType<MathBackendCPU["memory"]> & {
    poolFreeBytes: number;
    poolLeasedBytes: number;
  } {
    const { freeBytes, leasedBytes } = this.pool.usage;
    return { ...super.memory(), poolFreeBytes: freeBytes, poolLeasedBytes: leasedBytes };
  }

  override dispose(): void {
    this.pool.clear();
  }

  /** The values of a tensor in the storage class of its dtype; not to be changed. */
  values(tensor: TensorInfo): NativeArray {
    const values = this.data.get(tensor.dataId).values as NativeArray;
    const Storage = STORAGE[tensor.dtype as NativeDType];
    // tfjs's Cast keeps the array when no value would change: an int32 tensor may be stored as bytes.
    return values instanceof Storage ? values : new Storage(values);
  }

  /** A tensor as an input of a program, with other `dims` than its shape if given. */
  view(tensor: TensorInfo, dims: readonly number[] = tensor.shape): TensorView {
    return { data: this.values(tensor), dims };
  }

  /** A new tensor, whose values are to be filled in: they are whatever the buffer held before. */
  allocate<D extends NativeDType>(
    shape: readonly number[],
    dtype: D,
  ): { tensor: TensorInfo; values: InstanceType<(typeof STORAGE)[D]> } {
    const Storage = STORAGE[dtype];
    const size = util.sizeFromShape([...shape]);
    const buffer = this.pool.take(size * Storage.BYTES_PER_ELEMENT);
    const values = new Storage(buffer, 0, size) as InstanceType<(typeof STORAGE)[D]>;
    return { tensor: this.makeTensorInfo([...shape], dtype, values), values };
  }

  /** Runs a program and returns its results as new tensors. */
  run(program: Program, inputs: readonly TensorView[], outputs: readonly OutputSpec[]): TensorInfo[] {
    const made = outputs.map(({ shape, dtype }) => this.allocate(shape, dtype));
    try {
      program.run(
        inputs,
        made.map(({ values }, i) => ({ data: values, dims: outputs[i]!.dims ?? outputs[i]!.shape })),
      );
    } catch (error) {
      for (const { tensor } of made) this.disposeData(tensor.dataId);
      throw error;
    }
    return made.map(({ tensor }) => tensor);
  }

  /** The same for a program with one result. */
  run1(program: Program, inputs: readonly TensorView[], output: OutputSpec): TensorInfo {
    return this.run(program, inputs, [output])[0]!;
  }

  /** The values of `tensor` as a new tensor of another shape. Nothing is copied. */
  reshaped(tensor: TensorInfo, shape: readonly number[]): TensorInfo {
    this.incRef(tensor.dataId);
    return { dataId: tensor.dataId, shape: [...shape], dtype: tensor.dtype };
  }

  #retain(values: Values | undefined): void {
    if (ArrayBuffer.isView(values)) this.pool.retain(values.buffer);
  }
}
