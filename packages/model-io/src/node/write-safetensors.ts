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
 * all. Tensors are asked for one at a time, in the order of the file, so memory holds at most one.
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

/** The bytes of a laid-out file, in pieces: its header, then each tensor. */
export async function* safetensorsPieces(
  layout: SafetensorsLayout<TensorToWrite>,
): AsyncGenerator<Uint8Array> {
  yield layout.header;
  for (const tensor of layout.tensors) yield await readTensorData(tensor);
}
