/**
 * Serves a checkpoint like the hub does, as `org/tiny`, for clients in other languages: prints the address,
 * stops when its input ends. Usage: `tsx packages/model-io/test/serve-hub.ts <folder>`.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { startHubServer } from "./hub-server.js";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("usage: tsx packages/model-io/test/serve-hub.ts <folder>");
const names = await readdir(folder);
const files = Object.fromEntries(
  await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
);
const server = await startHubServer([{ type: "model", name: "org/tiny", files, refs: ["v1.0"] }]);
process.stdout.write(`${server.url} ${server.commitOf("org/tiny")}\n`);
process.stdin.resume().on("end", () => void server.close());
