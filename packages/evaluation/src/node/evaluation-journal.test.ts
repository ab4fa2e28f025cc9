import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { TaskRequest, TaskResponse } from "../task.js";
import { openJournal } from "./evaluation-journal.js";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "sdmprune-journal-"));
  path = join(dir, "model", "journal.jsonl");
});
afterEach(() => rmSync(dir, { recursive: true }));

const identity = { model: "m", addBos: true };
const requests: TaskRequest[] = [
  { type: "loglikelihood", context: "é\n", continuation: " a" },
  { type: "loglikelihood", context: "é\n", continuation: " b" },
];
const responses: TaskResponse[] = [
  { logprob: -12.345678901234567, isGreedy: true, numTokens: 3 },
  { logprob: -Infinity, isGreedy: false, numTokens: 1 },
];

function write(...indices: number[]) {
  const journal = openJournal(path, identity);
  for (const index of indices) journal.append("t", index, requests, responses);
  journal.close();
}

describe("openJournal", () => {
  it("gives back what was written, to the bit", () => {
    write(0, 1);
    const journal = openJournal(path, identity);
    expect(journal.numKnown).toBe(2);
    expect(journal.find("t", 1, requests)).toEqual(responses);
    expect(journal.find("t", 2, requests)).toBeUndefined();
    expect(journal.find("u", 1, requests)).toBeUndefined();
    journal.close();
  });

  it("keeps whole texts' and written answers, too", () => {
    const journal = openJournal(path, identity);
    const rolling: TaskRequest[] = [{ type: "loglikelihood_rolling", text: "x" }];
    const written: TaskRequest[] = [{ type: "generate_until", context: "x", until: ["\n"], maxTokens: 2 }];
    journal.append("r", 0, rolling, [-1.5]);
    journal.append("g", 0, written, ["7"]);
    journal.close();
    const again = openJournal(path, identity);
    expect(again.find("r", 0, rolling)).toEqual([-1.5]);
    expect(again.find("g", 0, written)).toEqual(["7"]);
    again.close();
  });

  it("does not answer another question with an old answer", () => {
    write(0);
    const journal = openJournal(path, identity);
    const other: TaskRequest[] = [{ ...requests[0]!, context: "changed" } as TaskRequest, requests[1]!];
    expect(journal.find("t", 0, other)).toBeUndefined();
    journal.close();
  });

  it("loses only the line that a kill cut short, wherever it was cut", () => {
    write(0, 1, 2);
    const whole = readFileSync(path);
    const lastLine = whole.lastIndexOf("\n", whole.length - 2) + 1;
    for (let size = lastLine; size < whole.length; size += 7) {
      truncateSync(path, 0);
      writeFileSync(path, whole.subarray(0, size));
      const journal = openJournal(path, identity);
      expect(journal.numKnown).toBe(2);
      journal.append("t", 2, requests, responses);
      journal.close();
      expect(readFileSync(path).equals(whole)).toBe(true);
    }
  });

  it("begins anew where not even the first line is whole", () => {
    write(0);
    truncateSync(path, 20);
    const journal = openJournal(path, identity);
    expect(journal.numKnown).toBe(0);
    journal.close();
    expect(readFileSync(path, "utf8")).toBe(
      '{"journal":"sdmprune-evaluation","identity":{"model":"m","addBos":true}}\n',
    );
  });

  it("refuses the journal of another model, another file, and a damaged line", () => {
    write(0);
    expect(() => openJournal(path, { ...identity, addBos: false })).toThrow(
      /journal\.jsonl: expected the journal of this model and these settings, got one of others\. Choose another/,
    );
    appendFileSync(path, "{}\n");
    expect(() => openJournal(path, identity)).toThrow(
      /journal\.jsonl: line 3: expected a journal entry, got "\{\}"\./,
    );
    writeFileSync(path, "notes\n");
    expect(() => openJournal(path, identity)).toThrow(
      /expected a journal of an evaluation, got another file/,
    );
    expect(readFileSync(path, "utf8")).toBe("notes\n");
  });

  it("says when it cannot be written", () => {
    writeFileSync(join(dir, "model"), "");
    expect(() => openJournal(path, identity)).toThrow(/expected a place to write the journal, got: /);
  });
});
