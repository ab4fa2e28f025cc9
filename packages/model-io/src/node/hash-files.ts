import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { errorMessage, NotFoundError } from "@sdmprune/core";

const PIECE_BYTES = 2 ** 20;

/** From this size on a thread is worth its start: hashing takes a second per 1 to 2 GB. */
const THREAD_BYTES = 2 ** 26;

/**
 * SHA-256 (hex) over the names and contents of files of a folder, sorted by name. Large files are hashed in a thread, so
 * that the caller can work meanwhile.
 *
 * @throws {NotFoundError} If one cannot be read.
 */
export async function hashFiles(dir: string, names: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  for (const name of [...names].sort()) {
    hash.update(`${name} ${await hashFile(join(dir, name))}\n`);
  }
  return hash.digest("hex");
}

async function hashFile(path: string): Promise<string> {
  try {
    const { size } = await stat(path);
    return await (size < THREAD_BYTES ? hashHere(path) : hashInThread(path));
  } catch (cause) {
    throw new NotFoundError(`${path}: expected a readable file, got: ${errorMessage(cause)}.`, { cause });
  }
}

async function hashHere(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES })) {
    hash.update(piece as Uint8Array);
  }
  return hash.digest("hex");
}

/** What the thread runs: text, since a file of its own would have to be found from the source and from the build. */
const THREAD = `
  const { createHash } = require("node:crypto");
  const { closeSync, openSync, readSync } = require("node:fs");
  const { parentPort, workerData: { path, pieceBytes } } = require("node:worker_threads");
  const hash = createHash("sha256");
  const piece = Buffer.allocUnsafeSlow(pieceBytes);
  const file = openSync(path, "r");
  for (let n; (n = readSync(file, piece)) > 0; ) hash.update(piece.subarray(0, n));
  closeSync(file);
  parentPort.postMessage(hash.digest("hex"));
`;

function hashInThread(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(THREAD, {
      eval: true,
      execArgv: [], // no loaders: it imports nothing of ours
      workerData: { path, pieceBytes: PIECE_BYTES },
    });
    worker.once("message", resolve).once("error", reject);
    worker.once("exit", (code) => reject(new Error(`the thread that reads it ended with code ${code}`)));
  });
}
