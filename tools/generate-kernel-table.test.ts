import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { KERNEL_TABLE, renderKernelTable } from "./generate-kernel-table.js";

it("has written docs/reference/kernels.md, which is current", async () => {
  expect(readFileSync(KERNEL_TABLE, "utf8")).toBe(await renderKernelTable());
});
