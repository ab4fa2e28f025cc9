import { createRequire } from "node:module";
import type { onnx } from "onnx-proto";

/** Element types of graph inputs and outputs, as ONNX Runtime names them. `bool` is one byte, 0 or 1. */
export type ElementType = "float32" | "int32" | "int64" | "bool" | "uint8";

/** A value in a graph, by its name. */
export type GraphValue = string;

/** An attribute: an integer, a list of integers, a string, or `{ float }`. */
export type Attribute = number | readonly number[] | string | { readonly float: number };

// onnx.TensorProto.DataType
const ELEMENT_CODES = {
  float32: 1,
  uint8: 2,
  int32: 6,
  int64: 7,
  bool: 9,
  float64: 11,
  bfloat16: 16,
} as const;

/** The first output of every graph, a bfloat16 that nobody reads: `runInPlace` says what it is there for. */
export const END_OF_RUN = "end";

// onnx.AttributeProto.AttributeType
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;

const IR_VERSION = 11;
const OPSET = 23;
const MICROSOFT = "com.microsoft";

let proto: typeof onnx | undefined;

function onnxProto(): typeof onnx {
  proto ??= (createRequire(import.meta.url)("onnx-proto") as { onnx: typeof onnx }).onnx;
  return proto;
}

/** Builds a model of one ONNX graph. Inputs have no declared shape, so one model serves every shape and rank. */
export class GraphBuilder {
  readonly inputs: { readonly name: string; readonly type: ElementType }[] = [];
  readonly outputs: { readonly name: string; readonly type: ElementType }[] = [];
  #nodes: onnx.INodeProto[] = [];
  #initializers: onnx.ITensorProto[] = [];
  #constants = new Map<string, GraphValue>();
  #count = 0;

  /**
   * Adds an input. A `bool` is taken as bytes of which any but 0 is true, since tfjs does not keep to 0 and 1.
   */
  input(type: ElementType): GraphValue {
    const name = `i${this.inputs.length}`;
    if (type === "bool") {
      this.inputs.push({ name, type: "uint8" });
      return this.cast(name, "bool");
    }
    this.inputs.push({ name, type });
    return name;
  }

  /** Makes `value` the next output. */
  output(value: GraphValue, type: ElementType): void {
    const name = `o${this.outputs.length}`;
    this.#nodes.push({ opType: "Identity", input: [value], output: [name] });
    this.outputs.push({ name, type });
  }

  /** Adds an operation with one result. An empty string stands for an optional input that is left out. */
  op(
    opType: string,
    inputs: readonly GraphValue[],
    attributes: Record<string, Attribute> = {},
    domain = "",
  ): GraphValue {
    const output = `v${this.#count++}`;
    const attribute = Object.entries(attributes).map(([name, value]) => attributeProto(name, value));
    this.#nodes.push({ opType, domain, input: [...inputs], output: [output], attribute });
    return output;
  }

  /**
   * Adds `alpha * a x b` over the last two axes, either factor transposed there. Leading axes broadcast. With
   * `rowsFirstB`, the rows of `b` are its first axis, before the leading ones: `[rows, batch, columns]`.
   */
  matMul(
    a: GraphValue,
    b: GraphValue,
    {
      transposeA = false,
      transposeB = false,
      rowsFirstB = false,
      alpha = 1,
    }: { transposeA?: boolean; transposeB?: boolean; rowsFirstB?: boolean; alpha?: number } = {},
  ): GraphValue {
    const attributes = {
      transA: Number(transposeA),
      transB: Number(transposeB),
      transBatchB: Number(rowsFirstB),
      alpha: { float: alpha },
    };
    return this.op("FusedMatMul", [a, b], attributes, MICROSOFT);
  }

  cast(value: GraphValue, type: keyof typeof ELEMENT_CODES): GraphValue {
    return this.op("Cast", [value], { to: ELEMENT_CODES[type] });
  }

  /** A float32 scalar. */
  scalar(value: number): GraphValue {
    return this.#constant(`f:${Object.is(value, -0) ? "-0" : value}`, {
      dataType: ELEMENT_CODES.float32,
      floatData: [value],
    });
  }

  /** A vector of int64. */
  integers(...values: number[]): GraphValue {
    return this.#constant(`i:${values.join()}`, {
      dims: [values.length],
      dataType: ELEMENT_CODES.int64,
      int64Data: values,
    });
  }

  /** `1 / (1 + exp(-x))`. ONNX Runtime's own Sigmoid is cut off at about -18, below which it gives 0. */
  sigmoid(x: GraphValue): GraphValue {
    return this.op("Reciprocal", [this.op("Add", [this.op("Exp", [this.op("Neg", [x])]), this.scalar(1)])]);
  }

  /** The encoded model. */
  encode(): Uint8Array {
    const type = (t: ElementType) => ({ tensorType: { elemType: ELEMENT_CODES[t] } });
    const { ModelProto } = onnxProto();
    const end = { name: "endValue", dims: [1], dataType: ELEMENT_CODES.bfloat16, int32Data: [0] };
    const model = {
      irVersion: IR_VERSION,
      opsetImport: [
        { domain: "", version: OPSET },
        { domain: MICROSOFT, version: 1 },
      ],
      graph: {
        name: "kernel",
        node: [...this.#nodes, { opType: "Identity", input: [end.name], output: [END_OF_RUN] }],
        initializer: [...this.#initializers, end],
        input: this.inputs.map((i) => ({ name: i.name, type: type(i.type) })),
        output: [
          { name: END_OF_RUN, type: { tensorType: { elemType: end.dataType } } },
          ...this.outputs.map((o) => ({ name: o.name, type: type(o.type) })),
        ],
      },
    };
    return ModelProto.encode(model).finish();
  }

  #constant(key: string, tensor: onnx.ITensorProto): GraphValue {
    const known = this.#constants.get(key);
    if (known !== undefined) return known;
    const name = `c${this.#constants.size}`;
    this.#initializers.push({ ...tensor, name });
    this.#constants.set(key, name);
    return name;
  }
}

function attributeProto(name: string, value: Attribute): onnx.IAttributeProto {
  if (typeof value === "number") return { name, type: INT, i: value };
  if (typeof value === "string") return { name, type: STRING, s: Buffer.from(value) };
  if ("float" in value) return { name, type: FLOAT, f: value.float };
  return { name, type: INTS, ints: [...value] };
}
