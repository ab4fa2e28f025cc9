import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { HttpByteSource } from "./http-byte-source.js";

const content = Buffer.from("0123456789");
const server = createServer((request, response) => {
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  if (request.url === "/missing") return void response.writeHead(404).end();
  if (request.url === "/no-ranges" || !range) return void response.end(content);
  const start = Number(range[1]);
  const end = Math.min(Number(range[2]) + 1, content.byteLength);
  response.writeHead(206, { "Content-Range": `bytes ${start}-${end - 1}/${content.byteLength}` });
  response.end(
    request.url === "/short"
      ? content.subarray(start, Math.min(end, start + 1))
      : content.subarray(start, end),
  );
});
let base = "";
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => new Promise((resolve) => server.close(resolve)));

it("reads ranges of a file on a server", async () => {
  const source = await HttpByteSource.open(`${base}/file`);
  expect(source.size).toBe(10);
  expect(Buffer.from(await source.read(3, 4)).toString()).toBe("3456");
  expect(await source.read(10, 0)).toEqual(new Uint8Array(0));
  await expect(source.read(8, 3)).rejects.toThrow("expected a range inside 10 bytes, got 3 bytes at 8.");
});

it("explains missing files, servers without ranges, short answers and dead servers", async () => {
  await expect(HttpByteSource.open(`${base}/missing`)).rejects.toThrow(
    `${base}/missing: expected status 206, got 404.`,
  );
  await expect(HttpByteSource.open(`${base}/no-ranges`)).rejects.toThrow(
    "expected a server that answers range requests, got status 200",
  );
  const short = await HttpByteSource.open(`${base}/short`);
  await expect(short.read(0, 5)).rejects.toThrow("expected 5 bytes at 0, got 1.");
  await expect(HttpByteSource.open("http://127.0.0.1:9/x")).rejects.toThrow(
    "http://127.0.0.1:9/x: expected an answer, got",
  );
});
