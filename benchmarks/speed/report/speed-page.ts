import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isScalingCase, scalingPlots, scalingSection } from "./scaling-plots.js";
import { type CaseResult, newestSpeedResults, type SpeedResults, type Timing } from "./speed-results.js";

export const RESULTS_FOLDER = fileURLToPath(new URL("../results", import.meta.url));
const PAGE = fileURLToPath(new URL("../../../docs/reference/speed.md", import.meta.url));

/** Writes docs/reference/speed.md from the newest results, if it says something else. */
export async function writeSpeedPage(): Promise<void> {
  const newest = await newestSpeedResults(RESULTS_FOLDER);
  const plots = newest ? scalingPlots(newest.results.cases) : new Map<string, string>();
  await writeIfOther(PAGE, newest ? renderSpeedPage(newest.file, newest.results) : EMPTY_PAGE);
  for (const [file, svg] of plots) await writeIfOther(join(dirname(PAGE), file), svg);
}

async function writeIfOther(path: string, text: string): Promise<void> {
  const before = await readFile(path, "utf8").catch(() => undefined); // not written yet
  if (text !== before) await writeFile(path, text);
}

const EMPTY_PAGE = "# Speed\n\nNothing is measured yet: `npm run bench:speed`.\n";

/** The page: a table of the cases beside PyTorch, a table of the rates, and where they were measured. */
export function renderSpeedPage(file: string, results: SpeedResults): string {
  const { machine, threads, repetitions, commit } = results;
  const cases = results.cases.filter((each) => !isScalingCase(each));
  const hasPeer = cases.some(({ pytorch }) => pytorch);
  const rated = cases.filter(({ flops }) => flops !== undefined);
  return [
    "# Speed",
    "",
    `<!-- Written by \`npm run docs\` from benchmarks/speed/results/${file}. -->`,
    "",
    `The tensor engine (backend \`onnx\`) ${hasPeer ? "beside PyTorch " : ""}on ${threads} ${threads === 1 ? "thread" : "threads"}, float32, random weights. What is`,
    `measured and how to run it: [benchmarks/speed](../../benchmarks/speed/README.md).`,
    "",
    ...(hasPeer
      ? [
          `The two take turns, one repetition each. Milliseconds are medians of ${repetitions}, with the fastest and the slowest`,
          "in brackets; the ratio is PyTorch's median over ours, so **above 1 we are faster**.",
        ]
      : [`Milliseconds are medians of ${repetitions}, with the fastest and the slowest in brackets.`]),
    "",
    row("case", "what is computed", "ours, ms", ...(hasPeer ? ["PyTorch, ms", "ratio"] : [])),
    row("---", "---", "---:", ...(hasPeer ? ["---:", "---:"] : [])),
    ...cases.map((c) =>
      row(
        `\`${c.name}\``,
        c.what,
        timing(c.ours),
        ...(hasPeer ? [c.pytorch ? timing(c.pytorch) : "", c.ratio?.toFixed(2) ?? ""] : []),
      ),
    ),
    "",
    ...(rated.length > 0 ? rateTable(rated, hasPeer) : []),
    ...(hasPeer && machine.cpu.includes("AMD") ? [MKL_ON_AMD, ""] : []),
    ...passSection(cases),
    ...scalingSection(results.cases),
    "## Where",
    "",
    `- ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}; load in the minute before: ${machine.loadBefore}`,
    `- ${versions(results)}`,
    `- Commit ${commit.hash.slice(0, 12)}${commit.isModified ? " with uncommitted changes" : ""}, ${results.date.slice(0, 10)}`,
    `- \`${results.command}\``,
    "",
  ].join("\n");
}

function rateTable(cases: readonly CaseResult[], hasPeer: boolean): string[] {
  const rate = (flops: number, t: Timing | undefined): string =>
    t ? gigaflops(flops, t.medianMs).toFixed(0) : "";
  return [
    "As rates, in GFLOP/s:",
    "",
    row("case", "ours", ...(hasPeer ? ["PyTorch"] : [])),
    row("---", "---:", ...(hasPeer ? ["---:"] : [])),
    ...cases.map(({ name, flops, ours, pytorch }) =>
      row(`\`${name}\``, rate(flops!, ours), ...(hasPeer ? [rate(flops!, pytorch)] : [])),
    ),
    "",
  ];
}

/** What only whole passes are measured for: tokens per second, bfloat16, and memory. */
function passSection(cases: readonly CaseResult[]): string[] {
  const passes = cases.filter(({ tokens }) => tokens !== undefined);
  if (passes.length === 0) return [];
  const speed = (tokens: number, t: Timing | undefined): string =>
    t ? ((1000 * tokens) / t.medianMs).toFixed(0) : "";
  const memory = (t: Timing | undefined): string =>
    t?.peakBytes === undefined ? "" : (t.peakBytes / 2 ** 30).toFixed(2);
  const share = (flops: number | undefined, t: Timing | undefined): string =>
    flops === undefined || t?.gemmGflops === undefined
      ? ""
      : `${((100 * gigaflops(flops, t.medianMs)) / t.gemmGflops).toFixed(0)} %`;
  return [
    "## Whole passes",
    "",
    "Tokens per second through both stages of SDMPrune, with PyTorch in float32 and in bfloat16, and the most memory that",
    "each program had. *Of its products*: the rate of the whole pass over the rate at which PyTorch multiplies the",
    "matrices of its MLPs, which says how good a peer it is.",
    "",
    row(
      "case",
      "ours",
      "PyTorch",
      "ratio",
      "of its products",
      "PyTorch bfloat16",
      "ratio",
      "of its products",
    ),
    row("---", "---:", "---:", "---:", "---:", "---:", "---:", "---:"),
    ...passes.map(({ name, tokens, flops, ours, pytorch, ratio, bfloat16, bfloat16Ratio }) =>
      row(
        `\`${name}\``,
        speed(tokens!, ours),
        speed(tokens!, pytorch),
        ratio?.toFixed(2) ?? "",
        share(flops, pytorch),
        speed(tokens!, bfloat16),
        bfloat16Ratio?.toFixed(2) ?? "",
        share(flops, bfloat16),
      ),
    ),
    "",
    row("peak memory, GiB", "ours", "PyTorch", "PyTorch bfloat16"),
    row("---", "---:", "---:", "---:"),
    ...passes.map(({ name, ours, pytorch, bfloat16 }) =>
      row(`\`${name}\``, memory(ours), memory(pytorch), memory(bfloat16)),
    ),
    "",
  ];
}

/** Why the products differ by more than two good implementations would. */
const MKL_ON_AMD = [
  "On AMD's Zen 5, PyTorch's wheel multiplies float32 matrices with Intel MKL at about half the rate that the cores reach",
  "([log](../log/2026-11-24-pytorch-gemm-on-amd.md)); on Zen 4, at nearly all of it.",
].join("\n");

/** Billions of floating-point operations per second. */
export function gigaflops(flops: number, ms: number): number {
  return flops / ms / 1e6;
}

function versions({ machine: { node, onnxruntime, python, torch } }: SpeedResults): string {
  const ours = `Node ${node}, onnxruntime-node ${onnxruntime}`;
  return torch ? `${ours}; Python ${python}, PyTorch ${torch}` : ours;
}

/** `94.2 (90.1–99.0)` */
function timing({ medianMs, ms }: Timing): string {
  return `${digits(medianMs)} (${digits(Math.min(...ms))}–${digits(Math.max(...ms))})`;
}

/** Three significant digits, or all those before the point. */
export function digits(ms: number): string {
  return ms >= 100 ? ms.toFixed(0) : ms.toPrecision(3);
}

function row(...cells: string[]): string {
  return `| ${cells.join(" | ")} |`;
}
