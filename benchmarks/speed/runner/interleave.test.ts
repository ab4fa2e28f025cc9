import { execPath } from "node:process";
import { describe, expect, it } from "vitest";
import { interleave } from "./interleave.js";
import { startTurnProgram, type TurnProgram } from "./turn-program.js";

/** A program that answers each line with what `answer` says, given the number of the line. */
function program(label: string, answer: string): TurnProgram {
  const source = `let i = 0; require("readline").createInterface({ input: process.stdin }).on("line", () => { ${answer}; i++ });`;
  return startTurnProgram({ label, file: execPath, args: ["-e", source] });
}

const measurement = (name: string, ms: string): string =>
  `console.log(JSON.stringify({ name: "${name}", ms: ${ms} }))`;

describe("interleave", () => {
  it("asks the programs in turn", async () => {
    const order: string[] = [];
    const player = (label: string): TurnProgram => ({
      turn: () => {
        order.push(label);
        return Promise.resolve({ name: "gemm", ms: order.length });
      },
      end: () => Promise.resolve(),
    });
    const players = ["A", "B", "C"].map((label, i) => ({
      program: player(label),
      name: "gemm",
      repetitions: 3 - i,
    }));
    const turns = await interleave(players);
    expect(turns.map((of) => of.map(({ ms }) => ms))).toEqual([[1, 4, 6], [2, 5], [3]]);
    expect(order).toEqual(["A", "B", "C", "A", "B", "A"]);
  });

  it("collects what programs print, and lets them end", async () => {
    const programs = [
      program("ours", measurement("gemm", "10 + i")),
      program("peer", measurement("gemm", "20 + i")),
    ];
    const turns = await interleave(programs.map((p) => ({ program: p, name: "gemm", repetitions: 2 })));
    expect(turns.map((of) => of.map(({ ms }) => ms))).toEqual([
      [10, 11],
      [20, 21],
    ]);
    await Promise.all(programs.map((p) => p.end()));
  });

  it("refuses a program that runs another case", async () => {
    const other = program("peer", measurement("mlp", "1"));
    await expect(interleave([{ program: other, name: "gemm", repetitions: 1 }])).rejects.toThrow(
      'benchmark: expected the case "gemm", got "mlp".',
    );
    await other.end();
  });
});

describe("startTurnProgram", () => {
  it("says with which code a program ended instead of answering", async () => {
    const broken = program("peers/gemm", "process.exit(3)");
    await expect(broken.turn()).rejects.toThrow(
      "peers/gemm: expected a measurement, but it ended (exit code 3).",
    );
    await broken.end();
  });

  it("gives the measurement of a program that ends right after it", async () => {
    const last = program(
      "peers/gemm",
      `${measurement("gemm", "7")}; process.exitCode = 0; process.stdin.destroy()`,
    );
    expect(await last.turn()).toEqual({ name: "gemm", ms: 7 });
    await expect(last.turn()).rejects.toThrow("it ended (exit code 0)");
  });

  it("says why a program did not start", async () => {
    const absent = startTurnProgram({ label: "peers/gemm", file: "no-such-python", args: [] });
    await expect(absent.turn()).rejects.toThrow(
      "peers/gemm: expected a measurement, but it ended (spawn no-such-python ENOENT).",
    );
    await absent.end();
  });

  it.each(["hello", '{"name":"gemm"}', '{"name":"gemm","ms":-1}'])("refuses the line %s", async (line) => {
    const talkative = program("ours/gemm", `console.log(${JSON.stringify(line)})`);
    await expect(talkative.turn()).rejects.toThrow(
      `ours/gemm: expected a line {"name": …, "ms": …}, got ${JSON.stringify(line)}.`,
    );
    await talkative.end();
  });
});
