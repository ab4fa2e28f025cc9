/** A mean with its standard error, where there is more than one value to tell. */
export interface Mean {
  readonly mean: number;
  readonly stderr: number | undefined;
  /** How many values it is over. */
  readonly n: number;
}

/** Mean of independent values, such as one for each seed. */
export function meanOver(values: readonly number[]): Mean {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  if (n < 2) return { mean, stderr: undefined, n };
  if (values.every((value) => value === values[0])) return { mean: values[0]!, stderr: 0, n }; // not what rounding leaves
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (n - 1);
  return { mean, stderr: Math.sqrt(variance / n), n };
}
