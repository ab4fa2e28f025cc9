import { errorMessage, FormatError, NotFoundError } from "@sdmprune/core";
import { assertRange, type ByteSource } from "./byte-source.js";

export interface HttpByteSourceOptions {
  /** Sent with every request, for instance `{ Authorization: "Bearer …" }`. */
  headers?: Record<string, string>;
  /** Replaces the global `fetch`, for instance to go through a proxy. */
  fetch?: typeof fetch;
}

/** A file on a server that answers range requests. Make one with `HttpByteSource.open`. */
export class HttpByteSource implements ByteSource {
  private constructor(
    private readonly url: string,
    readonly size: number,
    private readonly request: (range: string) => Promise<Response>,
  ) {}

  /**
   * Asks the server for the size of the file.
   *
   * @throws {NotFoundError} If the server cannot be reached or has no such file.
   * @throws {FormatError} If it does not answer range requests.
   */
  static async open(url: string | URL, options: HttpByteSourceOptions = {}): Promise<HttpByteSource> {
    const address = String(url);
    const { headers = {}, fetch: fetchFile = fetch } = options;
    const request = async (range: string): Promise<Response> => {
      let response: Response;
      try {
        // A compressed answer would have another length than the range asked for.
        response = await fetchFile(address, {
          headers: { ...headers, Range: range, "Accept-Encoding": "identity" },
        });
      } catch (cause) {
        throw new NotFoundError(`${address}: expected an answer, got ${errorMessage(cause)}.`, { cause });
      }
      if (response.status === 206) return response;
      await response.body?.cancel();
      if (response.ok) {
        throw new FormatError(
          `${address}: expected a server that answers range requests, got status ${response.status} for ${range}.`,
        );
      }
      throw new NotFoundError(`${address}: expected status 206, got ${response.status}.`);
    };
    const probe = await request("bytes=0-0");
    const contentRange = probe.headers.get("content-range") ?? "";
    await probe.body?.cancel();
    const total = /^bytes \d+-\d+\/(\d+)$/.exec(contentRange)?.[1];
    if (total === undefined) {
      throw new FormatError(`${address}: expected a Content-Range with the size, got "${contentRange}".`);
    }
    return new HttpByteSource(address, Number(total), request);
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    assertRange(this.url, this.size, offset, length);
    if (length === 0) return new Uint8Array(0);
    const response = await this.request(`bytes=${offset}-${offset + length - 1}`);
    let bytes: Uint8Array;
    try {
      bytes = new Uint8Array(await response.arrayBuffer());
    } catch (cause) {
      throw new NotFoundError(`${this.url}: the transfer broke off: ${errorMessage(cause)}.`, { cause });
    }
    if (bytes.byteLength !== length) {
      throw new FormatError(`${this.url}: expected ${length} bytes at ${offset}, got ${bytes.byteLength}.`);
    }
    return bytes;
  }
}
