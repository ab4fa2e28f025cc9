import { expect, it } from "vitest";
import { BufferPool } from "./buffer-pool.js";

const KIB = 1024;

it("gives a released buffer to the next taker of about the same size, and to no other", () => {
  const pool = new BufferPool();
  const buffer = pool.take(72 * KIB);
  pool.retain(buffer);
  pool.release(buffer);
  expect(pool.take(73 * KIB)).not.toBe(buffer);
  expect(pool.take(63 * KIB)).not.toBe(buffer);
  expect(pool.take(64 * KIB)).toBe(buffer);
  expect(pool.take(64 * KIB)).not.toBe(buffer);
});

it("gives the smallest buffer that is large enough, and counts it as large as it is", () => {
  const pool = new BufferPool();
  const buffers = [66, 65, 67].map((n) => pool.take(n * KIB));
  for (const buffer of buffers) {
    pool.retain(buffer);
    pool.release(buffer);
  }
  expect(pool.take(64 * KIB)).toBe(buffers[1]);
  expect(pool.take(67 * KIB)).toBe(buffers[2]);
  expect(pool.usage).toEqual({ freeBytes: 66 * KIB, leasedBytes: (65 + 67) * KIB });
});

it("keeps a buffer until the last of its owners is gone", () => {
  const pool = new BufferPool();
  const buffer = pool.take(8 * KIB);
  pool.retain(buffer);
  pool.retain(buffer); // a slice
  pool.release(buffer);
  expect(pool.take(8 * KIB)).not.toBe(buffer);
  pool.release(buffer);
  expect(pool.take(8 * KIB)).toBe(buffer);
});

it("never gives out again what it was told to forsake", () => {
  const pool = new BufferPool();
  const buffer = pool.take(8 * KIB);
  pool.retain(buffer);
  pool.forsake(buffer);
  pool.release(buffer);
  expect(pool.take(8 * KIB)).not.toBe(buffer);
});

it("takes no notice of buffers that are not its own, and of small ones", () => {
  const pool = new BufferPool();
  pool.release(new ArrayBuffer(64 * KIB));
  const small = pool.take(100);
  pool.retain(small);
  pool.release(small);
  expect(pool.usage).toEqual({ freeBytes: 0, leasedBytes: 0 });
});

it("stays within its limit by dropping the size unused for longest", () => {
  const pool = new BufferPool(20 * KIB);
  const [a, b, c] = [8, 9, 10].map((n) => pool.take(n * KIB));
  for (const buffer of [a!, b!, c!]) {
    pool.retain(buffer);
    pool.release(buffer);
  }
  expect(pool.usage).toEqual({ freeBytes: 19 * KIB, leasedBytes: 0 });
  expect(pool.take(9 * KIB)).toBe(b);
  expect(pool.take(8 * KIB)).not.toBe(a);
  const large = pool.take(30 * KIB);
  pool.retain(large);
  pool.release(large);
  expect(pool.usage.freeBytes).toBe(10 * KIB);
  pool.clear();
  expect(pool.usage.freeBytes).toBe(0);
});
