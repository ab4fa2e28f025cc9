import type { JudgedSubject } from "./collect-results.js";

/** How far the methods agree on which neurons to keep at one ratio. */
export interface KeptOverlap {
  readonly ratio: number;
  readonly labels: readonly string[];
  /**
   * Jaccard index of what two methods keep, `|A and B| / |A or B|`, mean over layers, at the first seed. On the
   * diagonal the same method with its other seeds; undefined where there are none.
   */
  readonly jaccard: readonly (readonly (number | undefined)[])[];
  /** What two random choices of these widths come to. */
  readonly chance: number;
}

/** One matrix for each ratio at which there are pruned models. */
export function keptOverlaps(judged: readonly JudgedSubject[]): KeptOverlap[] {
  const pruned = judged.filter(({ subject, prune }) => prune && !subject.recovery);
  const ratios = [...new Set(pruned.map(({ subject }) => subject.ratio))].sort((a, b) => a - b);
  return ratios.map((ratio) => {
    const models = new Map<string, JudgedSubject[]>();
    for (const each of pruned.filter(({ subject }) => subject.ratio === ratio)) {
      models.set(each.subject.label, [...(models.get(each.subject.label) ?? []), each]);
    }
    const labels = [...models.keys()];
    const jaccard = labels.map((a) =>
      labels.map((b) => {
        if (a !== b) return jaccardOf(keptOf(models.get(a)![0]!), keptOf(models.get(b)![0]!));
        const [first, ...others] = models.get(a)!;
        if (others.length === 0) return undefined;
        return (
          others.reduce((sum, other) => sum + jaccardOf(keptOf(first!), keptOf(other)), 0) / others.length
        );
      }),
    );
    const { kept, widths } = models.get(labels[0]!)![0]!.prune!.value;
    const before = models.get(labels[0]!)![0]!.prune!.value.intermediateSizes;
    const chance =
      kept.reduce((sum, _, layer) => sum + chanceOf(widths[layer]! / before[layer]!), 0) / kept.length;
    return { ratio, labels, jaccard, chance };
  });
}

function keptOf({ prune }: JudgedSubject): readonly (readonly number[])[] {
  return prune!.value.kept;
}

/** Expected Jaccard index of two independent choices of the share `p`: `p^2 / (2p - p^2)`. */
function chanceOf(p: number): number {
  return p / (2 - p);
}

function jaccardOf(a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number {
  const each = a.map((indices, layer) => {
    const others = new Set(b[layer]);
    const numBoth = indices.filter((n) => others.has(n)).length;
    return numBoth / (indices.length + others.size - numBoth);
  });
  return each.reduce((sum, value) => sum + value, 0) / each.length;
}
