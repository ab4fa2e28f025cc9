import { closeSync, fsyncSync, ftruncateSync, mkdirSync, openSync, readFileSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errorMessage, FormatError, SdmPruneError, UsageError } from "@sdmprune/core";
import type { EvaluationJournal } from "../evaluate.js";
import { requestLine } from "../request-lines.js";
import type { TaskRequest, TaskResponse } from "../task.js";
import { sha256Text } from "./sha256-text.js";

/** A journal in a file; the caller closes it. */
export interface JournalFile extends EvaluationJournal {
  readonly path: string;
  /** How many documents it had when it was opened. */
  readonly numKnown: number;
  close(): void;
}

interface Entry {
  readonly task: string;
  readonly index: number;
  /** SHA-256 of the document's request lines: an entry counts only for the same questions. */
  readonly requests: string;
  readonly responses: readonly unknown[];
}

/**
 * Opens or makes a journal: JSON lines, the first with `identity`, then one per document, written as soon as its
 * answers are there. A line that a kill cut short is dropped; everything before it is kept.
 *
 * @param identity - What the answers depend on besides the requests: the model and its settings.
 * @throws {UsageError} If the file belongs to another model or other settings.
 * @throws {FormatError} If the file is no journal.
 */
export function openJournal(path: string, identity: Readonly<Record<string, unknown>>): JournalFile {
  const head = `${JSON.stringify({ journal: "sdmprune-evaluation", identity })}\n`;
  let file: number;
  try {
    mkdirSync(dirname(path), { recursive: true });
    file = openSync(path, "a+");
  } catch (cause) {
    throw new SdmPruneError(`${path}: expected a place to write the journal, got: ${errorMessage(cause)}.`, {
      cause,
    });
  }
  try {
    const { entries, sizeBytes, isNew } = readEntries(path, head);
    ftruncateSync(file, sizeBytes);
    if (isNew) writeLine(file, head);
    const known = new Map(entries.map((entry) => [`${entry.task}/${entry.index}/${entry.requests}`, entry]));
    return {
      path,
      numKnown: known.size,
      find(task, index, requests) {
        return known.get(`${task}/${index}/${hashOf(requests)}`)?.responses.map(parseResponse);
      },
      append(task, index, requests, responses) {
        const entry: Entry = {
          task,
          index,
          requests: hashOf(requests),
          responses: responses.map(printResponse),
        };
        writeLine(file, `${JSON.stringify(entry)}\n`);
      },
      close() {
        fsyncSync(file);
        closeSync(file);
      },
    };
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

function readEntries(path: string, head: string): { entries: Entry[]; sizeBytes: number; isNew: boolean } {
  const bytes = readFileSync(path);
  const end = bytes.lastIndexOf("\n") + 1; // what follows was cut short
  if (end === 0) return { entries: [], sizeBytes: 0, isNew: true };
  const [first, ...lines] = bytes.subarray(0, end).toString("utf8").slice(0, -1).split("\n");
  if (`${first}\n` !== head) {
    const isJournal = first!.startsWith('{"journal":"sdmprune-evaluation"');
    if (!isJournal) {
      throw new FormatError(`${path}: expected a journal of an evaluation, got another file. Move it away.`);
    }
    throw new UsageError(
      `${path}: expected the journal of this model and these settings, got one of others. Choose another output folder, or delete the journal.`,
    );
  }
  const entries = lines.map((line, i) => {
    const entry = parseEntry(line);
    if (entry) return entry;
    throw new FormatError(
      `${path}: line ${i + 2}: expected a journal entry, got ${JSON.stringify(line.slice(0, 40))}. Delete the line; its document is asked again.`,
    );
  });
  return { entries, sizeBytes: end, isNew: false };
}

function parseEntry(line: string): Entry | undefined {
  try {
    const entry = JSON.parse(line) as Partial<Entry> | null;
    const isEntry =
      typeof entry?.task === "string" &&
      typeof entry.index === "number" &&
      typeof entry.requests === "string" &&
      Array.isArray(entry.responses);
    return isEntry ? (entry as Entry) : undefined;
  } catch {
    return undefined;
  }
}

/** The whole line, or an error: a disk may take less than it is given. */
function writeLine(file: number, line: string): void {
  const bytes = Buffer.from(line);
  for (let done = 0; done < bytes.length;) done += writeSync(file, bytes, done);
}

function hashOf(requests: readonly TaskRequest[]): string {
  return sha256Text(requests.map(requestLine).join(""));
}

/** `[logprob, isGreedy, numTokens]`, a number, or `{ text }`; JSON has no infinity, so that stands as a string. */
function printResponse(response: TaskResponse): unknown {
  if (typeof response === "string") return { text: response };
  if (typeof response === "number") return printNumber(response);
  return [printNumber(response.logprob), response.isGreedy, response.numTokens];
}

function parseResponse(value: unknown): TaskResponse {
  if (Array.isArray(value)) {
    const [logprob, isGreedy, numTokens] = value as [number | string, boolean, number];
    return { logprob: Number(logprob), isGreedy, numTokens };
  }
  if (typeof value === "object" && value !== null) return (value as { text: string }).text;
  return Number(value);
}

function printNumber(value: number): number | string {
  return Number.isFinite(value) ? value : String(value);
}
