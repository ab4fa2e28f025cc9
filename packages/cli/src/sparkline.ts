const BLOCKS = "▁▂▃▄▅▆▇█";

/**
 * A curve in one line of text: the means of as many stretches of `values` as fit, from the lowest to the highest.
 *
 * @param width - Characters at most.
 */
export function sparkline(values: readonly number[], width: number): string {
  const count = Math.min(width, values.length);
  const means = Array.from({ length: count }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / count),
      Math.floor(((i + 1) * values.length) / count),
    );
    return part.reduce((a, b) => a + b, 0) / part.length;
  });
  const finite = means.filter(Number.isFinite);
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const step = (high - low) / (BLOCKS.length - 1);
  return means.map((mean) => BLOCKS[step > 0 ? Math.round((mean - low) / step) : mean - low] ?? " ").join("");
}
