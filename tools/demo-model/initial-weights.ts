import { Rng } from "@sdmprune/core";
import { fromFloat32 } from "@sdmprune/model-io";
import { llamaFamily, type RawConfig, type WeightSource } from "@sdmprune/models";

/**
 * First weights of a Llama, drawn from a seed: norms are 1, matrices are normal with the config's
 * `initializer_range` as standard deviation, and those that write into the residual stream (o_proj, down_proj)
 * are smaller by the square root of twice the depth (Radford et al. 2019).
 */
export function initialWeights(rawConfig: RawConfig, seed: number): WeightSource {
  const config = llamaFamily.parseConfig(rawConfig);
  const std = Number(rawConfig["initializer_range"]);
  const shapes = new Map(llamaFamily.expectedTensors(config).map(({ name, shape }) => [name, shape]));
  return {
    tensorNames: () => shapes.keys(),
    info: (name) => ({ dtype: "F32", shape: shapes.get(name)! }),
    read: (name, { rows } = {}) => {
      const shape = shapes.get(name)!;
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1);
      if (shape.length > 1) {
        const rng = new Rng(seed, `weights/${name}`);
        const isResidual = /(o_proj|down_proj)\.weight$/.test(name);
        const scale = isResidual ? std / Math.sqrt(2 * config.numLayers) : std;
        values.forEach((_, i) => (values[i] = scale * rng.normal()));
      }
      const rowSize = values.length / shape[0]!;
      const part = rows ? values.subarray(rows[0] * rowSize, rows[1] * rowSize) : values;
      return Promise.resolve(fromFloat32(part, "F32"));
    },
  };
}
