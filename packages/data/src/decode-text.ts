import { errorMessage, FormatError } from "@sdmprune/core";

const decoder = new TextDecoder("utf-8", { fatal: true });

/**
 * Decodes UTF-8, dropping a byte order mark.
 *
 * @param where - File and row, for the message.
 * @throws {FormatError} If the bytes are not UTF-8, or too many for one string.
 */
export function decodeText(bytes: Uint8Array, where: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FormatError(
      `${where}: expected UTF-8 text, got ${bytes.length} bytes that cannot be decoded (${errorMessage(cause)}). ` +
        `Convert the file to UTF-8, or split it if one document is over 500 MB.`,
      { cause },
    );
  }
}
