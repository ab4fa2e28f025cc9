import { open } from "node:fs/promises";
import { errorMessage, FormatError, NotFoundError, UsageError } from "@sdmprune/core";
import { assertRange, type ByteSource } from "../byte-source.js";

const MAX_READ_BYTES = 2 ** 30; // the system call takes at most 2^31 - 4096 bytes

/**
 * A file on disk. The file is opened for each read and closed again, so there is nothing to close, and a
 * file that changes between two reads is noticed.
 */
export class FileByteSource implements ByteSource {
  private constructor(
    private readonly path: string,
    readonly size: number,
    private readonly modifiedMs: number,
  ) {}

  /** @throws {NotFoundError} If there is no such file or it cannot be read. */
  static async open(path: string): Promise<FileByteSource> {
    return withFile(path, async (file) => {
      const { size, mtimeMs } = await file.stat();
      return new FileByteSource(path, size, mtimeMs);
    });
  }

  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    assertRange(this.path, this.size, offset, length);
    if (into !== undefined && into.byteLength !== length) {
      throw new UsageError(`${this.path}: expected ${length} bytes to read into, got ${into.byteLength}.`);
    }
    return withFile(this.path, async (file) => {
      const { size, mtimeMs } = await file.stat();
      if (size !== this.size || mtimeMs !== this.modifiedMs) {
        throw new FormatError(`${this.path}: expected the file as it was when opened, got a changed one.`);
      }
      const bytes = into ?? allocate(length, this.path);
      for (let done = 0; done < length;) {
        const part = Math.min(length - done, MAX_READ_BYTES);
        const { bytesRead } = await file.read(bytes, done, part, offset + done);
        if (bytesRead === 0) {
          throw new FormatError(`${this.path}: expected ${length} bytes at ${offset}, got ${done}.`);
        }
        done += bytesRead;
      }
      return bytes;
    });
  }
}

type OpenFile = Awaited<ReturnType<typeof open>>;

async function withFile<T>(path: string, use: (file: OpenFile) => Promise<T>): Promise<T> {
  let file: OpenFile;
  try {
    file = await open(path, "r");
  } catch (cause) {
    throw new NotFoundError(`${path}: expected a readable file, got: ${errorMessage(cause)}.`, { cause });
  }
  try {
    return await use(file);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "EISDIR") {
      throw new NotFoundError(`${path}: expected a file, got a folder.`, { cause });
    }
    throw cause;
  } finally {
    await file.close();
  }
}

/** An array of its own, not filled with zeros, and aligned (which a slice of Node's buffer pool is not). */
function allocate(length: number, path: string): Uint8Array {
  try {
    return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer, 0, length);
  } catch (cause) {
    throw new FormatError(
      `${path}: expected a read that fits in memory, got ${length} bytes. Read it by rows.`,
      {
        cause,
      },
    );
  }
}
