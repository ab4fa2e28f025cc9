import {
  layoutSafetensors,
  PYTORCH_METADATA,
  readTensorData,
  type SafetensorsLayout,
  type TensorToWrite,
} from "../layout-safetensors.js";
import { writeFileAtomic } from "./write-file-atomic.js";

/**
 * Writes a safetensors file, byte for byte as Python's `safetensors.torch.save_file` does, whole or not at
 * all. Tensors are asked for one after the other, in the order of the file; memory holds at most two.
 *
 * @param metadata - `__metadata__` strings; `{"format":"pt"}` by default.
 * @throws {FormatError} If a name stands twice.
 * @throws {ShapeError} If a tensor's data has another length than its type and shape say.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = PYTORCH_METADATA,
): Promise<void> {
  await writeFileAtomic(path, safetensorsPieces(layoutSafetensors(tensors, metadata)));
}

/**
 * Tensors up to this size share two arrays: fresh memory costs a page fault every 4 KiB. Larger ones, which are few, would
 * keep that much for all the file.
 */
const SHARED_BYTES = 2 ** 26;

/**
 * The bytes of a laid-out file, in pieces, each valid until the next is asked for: its header, then each tensor. The next
 * tensor is asked for while the one before is written, never two at the same time.
 */
export async function* safetensorsPieces(
  layout: SafetensorsLayout<TensorToWrite>,
): AsyncGenerator<Uint8Array> {
  const { header, tensors } = layout;
  const isShared = ({ byteLength }: { byteLength: number }): boolean => byteLength <= SHARED_BYTES;
  const longest = Math.max(0, ...tensors.filter(isShared).map(({ byteLength }) => byteLength));
  const shared = [0, 1].map(() => new Uint8Array(longest));
  const ask = (i: number): Promise<Uint8Array> | undefined => {
    const tensor = tensors[i];
    if (!tensor) return undefined;
    const into = isShared(tensor) ? shared[i % 2]!.subarray(0, tensor.byteLength) : undefined;
    const next = readTensorData(tensor, into);
    next.catch(() => undefined); // it is awaited when its turn comes
    return next;
  };
  let next = ask(0);
  yield header;
  for (let i = 1; next; i++) {
    const piece = await next;
    next = ask(i);
    yield piece;
  }
}
