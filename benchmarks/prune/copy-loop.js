import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { argv } from "node:process";

// What re-pruning is measured beside: reads a file, hashes it, and writes so many of its bytes to another, to the disk.
// copy-loop.ts SOURCE TARGET BYTES
const [source = "", target = "", bytes] = argv.slice(2);
const input = await open(source, "r");
const output = await open(target, "w");
const hash = createHash("sha256");
const piece = Buffer.allocUnsafeSlow(2 ** 22);
let left = Number(bytes);
for (;;) {
  const { bytesRead } = await input.read(piece);
  if (bytesRead === 0) break;
  hash.update(piece.subarray(0, bytesRead));
  const length = Math.min(left, bytesRead);
  if (length > 0) await output.write(piece, 0, length);
  left -= length;
}
await output.sync();
await output.close();
await input.close();
console.log(hash.digest("hex"));
