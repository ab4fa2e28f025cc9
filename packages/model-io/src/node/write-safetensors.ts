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
 * The bytes of a laid-out file, in pieces: its header, then each tensor. The next tensor is asked for while the one
 * before is written, never two at the same time.
 */
export async function* safetensorsPieces(
  layout: SafetensorsLayout<TensorToWrite>,
): AsyncGenerator<Uint8Array> {
  const { header, tensors } = layout;
  const ask = (i: number): Promise<Uint8Array> | undefined => {
    const next = tensors[i] && readTensorData(tensors[i]);
    next?.catch(() => undefined); // it is awaited when its turn comes
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
