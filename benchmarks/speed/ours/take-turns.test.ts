import { describe, expect, it } from "vitest";
import { type Case, takeTurns } from "./take-turns.js";

/** Cases that write down what happens to them. */
function recorded(...names: string[]): { cases: Case[]; events: string[] } {
  const events: string[] = [];
  const cases = names.map((name) => ({
    name,
    what: "",
    setUp() {
      events.push(`set up ${name}`);
      return {
        run: () => void events.push(`run ${name}`),
        dispose: () => void events.push(`dispose ${name}`),
      };
    },
  }));
  return { cases, events };
}

async function* requests(events: string[], count: number): AsyncGenerator<string> {
  for (let i = 0; i < count; i++) {
    events.push("asked");
    yield "";
  }
}

function timed(events: string[]): (line: string) => void {
  return (line) => {
    const { name, ms } = JSON.parse(line) as { name: string; ms: number };
    expect(ms).toBeGreaterThanOrEqual(0);
    events.push(`timed ${name}`);
  };
}

describe("takeTurns", () => {
  it("sets a case up when it is first asked for, warms up twice, and times one run per request", async () => {
    const { cases, events } = recorded("a", "b");
    await takeTurns(cases, { repetitions: 2, only: [], lines: requests(events, 4), print: timed(events) });
    const of = (name: string): string[] => [
      ...["asked", `set up ${name}`, `run ${name}`, `run ${name}`, `run ${name}`, `timed ${name}`],
      ...["asked", `run ${name}`, `timed ${name}`, `dispose ${name}`],
    ];
    expect(events).toEqual([...of("a"), ...of("b")]);
  });

  it("passes over what is not named by --only", async () => {
    const { cases, events } = recorded("a", "b");
    await takeTurns(cases, { repetitions: 1, only: ["b"], lines: requests(events, 9), print: timed(events) });
    expect(events.filter((e) => e.startsWith("timed"))).toEqual(["timed b"]);
    expect(events).not.toContain("set up a");
  });

  it("stops at the end of its input, and disposes what it has set up", async () => {
    const { cases, events } = recorded("a", "b");
    await takeTurns(cases, { repetitions: 5, only: [], lines: requests(events, 2), print: timed(events) });
    expect(events.filter((e) => e.startsWith("timed"))).toEqual(["timed a", "timed a"]);
    expect(events.at(-1)).toBe("dispose a");
  });
});
