import { mkdir, open, rm, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { errorMessage, SdmPruneError } from "@sdmprune/core";
import type { ActivationSpill } from "@sdmprune/models";

let counter = 0;

/**
 * A temporary file of float32 values or bytes, made with the first write. Its name is deleted while it is open, so that nothing
 * is left behind even by a process that is killed.
 */
export class ScratchFile implements ActivationSpill {
  #file: Promise<FileHandle> | undefined;
  #end = 0;

  /** @param folder - Where to make it; made if need be. */
  constructor(private readonly folder: string) {}

  /** @throws {SdmPruneError} If the disk refuses. */
  async write(values: Float32Array): Promise<number> {
    return this.writeBytes(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }

  /**
   * @returns Their place.
   * @throws {SdmPruneError} If the disk refuses.
   */
  async writeBytes(bytes: Uint8Array): Promise<number> {
    const place = this.#end;
    this.#end += bytes.byteLength; // before anything is awaited: the next write goes behind it
    await this.#withFile(async (file) => {
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesWritten } = await file.write(bytes, done, bytes.byteLength - done, place + done);
        done += bytesWritten;
      }
    });
    return place;
  }

  /** @throws {SdmPruneError} If the disk refuses. */
  async read(place: number, out: Float32Array): Promise<void> {
    return this.readBytes(place, new Uint8Array(out.buffer, out.byteOffset, out.byteLength));
  }

  /** @throws {SdmPruneError} If the disk refuses. */
  async readBytes(place: number, bytes: Uint8Array): Promise<void> {
    await this.#withFile(async (file) => {
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesRead } = await file.read(bytes, done, bytes.byteLength - done, place + done);
        if (bytesRead === 0) throw new Error(`expected ${bytes.byteLength} bytes at ${place}, got ${done}`);
        done += bytesRead;
      }
    });
  }

  /** Starts over at the beginning of the file. */
  clear(): void {
    this.#end = 0;
  }

  async close(): Promise<void> {
    const file = await this.#file?.catch(() => undefined);
    this.#file = undefined;
    await file?.close();
  }

  async #withFile(body: (file: FileHandle) => Promise<void>): Promise<void> {
    try {
      await body(await (this.#file ??= createUnnamed(this.folder)));
    } catch (cause) {
      throw new SdmPruneError(
        `${this.folder}: expected room for a temporary file, got: ${errorMessage(cause)}. Give more --memory, or free the disk.`,
        { cause },
      );
    }
  }
}

async function createUnnamed(folder: string): Promise<FileHandle> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, `.sdmprune-${process.pid}-${++counter}.tmp`);
  const file = await open(path, "wx+");
  await rm(path);
  return file;
}
