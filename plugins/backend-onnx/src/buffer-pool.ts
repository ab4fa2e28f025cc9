/** Buffers below this are left to the garbage collector: making them is as cheap as finding them. */
const SMALLEST = 4096;

/**
 * How many times as large as asked for a buffer may be. A student that lost a few neurons then works in the memory of the
 * model that it came from.
 */
const MOST_EXCESS = 9 / 8;

/** Default limit of what the pool keeps for later, in bytes. */
export const DEFAULT_POOL_BYTES = 512 * 1024 * 1024;

interface Lease {
  owners: number;
}

/**
 * Buffers for results, kept for the next result of about the same size. A fresh buffer costs a page fault every 4 KiB when
 * it is first written, which makes an addition on it take three times as long.
 *
 * A buffer is leased from `take` on, shared by every tensor that views it (`retain`), and comes back when the last of
 * them is gone (`release`). One that JavaScript code has seen never comes back (`forsake`): it may still be read.
 */
export class BufferPool {
  readonly #free = new Map<number, ArrayBuffer[]>(); // by size, the size used last at the end
  readonly #leases = new Map<ArrayBufferLike, Lease>();
  #freeBytes = 0;
  #leasedBytes = 0;

  constructor(private maxFreeBytes = DEFAULT_POOL_BYTES) {}

  /** Changes how many bytes are kept for later. */
  limit(maxFreeBytes: number): void {
    this.maxFreeBytes = maxFreeBytes;
    this.#evict();
  }

  /** A buffer of at least `sizeBytes`, with whatever it held before. It has no owner yet: `retain` it. */
  take(sizeBytes: number): ArrayBuffer {
    if (sizeBytes < SMALLEST) return new ArrayBuffer(sizeBytes);
    const buffer = this.#takeFree(sizeBytes) ?? new ArrayBuffer(sizeBytes);
    this.#leases.set(buffer, { owners: 0 });
    this.#leasedBytes += buffer.byteLength;
    return buffer;
  }

  /** Notes one more owner of the buffer, if it is a leased one. */
  retain(buffer: ArrayBufferLike): void {
    const lease = this.#leases.get(buffer);
    if (lease) lease.owners++;
  }

  /** Takes the buffer back if it is a leased one and this was its last owner. */
  release(buffer: ArrayBufferLike): void {
    const lease = this.#leases.get(buffer);
    if (!lease || --lease.owners > 0) return;
    this.forsake(buffer);
    if (buffer.byteLength > this.maxFreeBytes) return;
    const list = this.#free.get(buffer.byteLength) ?? [];
    list.push(buffer as ArrayBuffer);
    this.#free.delete(buffer.byteLength);
    this.#free.set(buffer.byteLength, list);
    this.#freeBytes += buffer.byteLength;
    this.#evict();
  }

  /** Ends the lease without taking the buffer back: the garbage collector frees it once nobody sees it. */
  forsake(buffer: ArrayBufferLike): void {
    if (this.#leases.delete(buffer)) this.#leasedBytes -= buffer.byteLength;
  }

  /** Bytes kept for later, and bytes in use by tensors. */
  get usage(): { freeBytes: number; leasedBytes: number } {
    return { freeBytes: this.#freeBytes, leasedBytes: this.#leasedBytes };
  }

  /** Lets go of every buffer kept for later. */
  clear(): void {
    this.#free.clear();
    this.#freeBytes = 0;
  }

  /** The smallest free buffer that is large enough, and not much too large. */
  #takeFree(sizeBytes: number): ArrayBuffer | undefined {
    let found = Infinity;
    for (const size of this.#free.keys()) {
      if (size >= sizeBytes && size <= sizeBytes * MOST_EXCESS) found = Math.min(found, size);
    }
    const list = this.#free.get(found);
    if (!list) return undefined;
    this.#freeBytes -= found;
    this.#free.delete(found);
    if (list.length > 1) this.#free.set(found, list);
    return list.pop();
  }

  #evict(): void {
    for (const [sizeBytes, list] of this.#free) {
      while (this.#freeBytes > this.maxFreeBytes && list.length > 0) {
        list.pop();
        this.#freeBytes -= sizeBytes;
      }
      if (list.length === 0) this.#free.delete(sizeBytes);
      if (this.#freeBytes <= this.maxFreeBytes) return;
    }
  }
}
