import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, FormatError } from "@sdmprune/core";
import { writeFileAtomic } from "@sdmprune/model-io/node";
import type { CellKind } from "./cells.js";
import type { Machine } from "../machine.js";

/** What a finished cell leaves. */
export interface CellRecord<V = unknown> {
  readonly kind: CellKind;
  /** The cell that made it; another one that depends on the same things finds it, too. */
  readonly id: string;
  readonly key: string;
  /** Everything that the value depends on. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly value: V;
  readonly seconds: number;
  readonly finishedAt: string;
  readonly machine: Machine;
  readonly commit: string | undefined;
}

/** Name for content: SHA-256 of a JSON value, whatever the order of its keys. */
export function contentKey(inputs: unknown): string {
  return createHash("sha256").update(canonicalJson(inputs)).digest("hex").slice(0, 32);
}

function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) =>
    typeof each === "object" && each !== null && !Array.isArray(each)
      ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1)))
      : each,
  );
}

/**
 * Results of finished cells, one file each, named by what they depend on and put in place by a rename: a run that was
 * killed leaves whole files only.
 */
export class CellStore {
  readonly #known = new Map<string, CellRecord>();

  constructor(readonly folder: string) {}

  path(kind: CellKind, key: string, ending = "json"): string {
    return join(this.folder, kind, `${key}.${ending}`);
  }

  /** @throws {FormatError} If the file is not what this class writes. */
  async get<V>(kind: CellKind, key: string): Promise<CellRecord<V> | undefined> {
    const path = this.path(kind, key);
    const known = this.#known.get(path);
    if (known) return known as CellRecord<V>;
    const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return undefined;
      throw error;
    });
    if (text === undefined) return undefined;
    const record = parseRecord<V>(text, path);
    this.#known.set(path, record);
    return record;
  }

  async put(record: CellRecord): Promise<void> {
    const path = this.path(record.kind, record.key);
    await mkdir(join(this.folder, record.kind), { recursive: true });
    await writeFileAtomic(path, `${JSON.stringify(record)}\n`);
    this.#known.set(path, record);
  }
}

function parseRecord<V>(text: string, path: string): CellRecord<V> {
  try {
    const record = JSON.parse(text) as CellRecord<V>;
    if (typeof record.key === "string" && "value" in record) return record;
  } catch (cause) {
    throw new FormatError(
      `${path}: expected a finished cell, got text that does not parse (${errorMessage(cause)}). Delete the file; the cell runs again.`,
      { cause },
    );
  }
  throw new FormatError(
    `${path}: expected a finished cell, got other JSON. Delete the file; the cell runs again.`,
  );
}
