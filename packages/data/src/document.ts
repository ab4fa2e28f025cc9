/** A document of text, tokenised when it is needed. */
export interface TextDocument {
  /** `file#row`, rows from 1; the row of a `.jsonl` document is its line number. */
  readonly id: string;
  readonly text: string;
}

/** A row that is tokenised already: one sample, used as it is. */
export interface InputIdsDocument {
  readonly id: string;
  readonly inputIds: readonly number[];
}

export type Document = TextDocument | InputIdsDocument;

/** A file that documents were read from, as a manifest records it: its name without folders, and its content. */
export interface SourceFile {
  readonly name: string;
  readonly sizeBytes: number;
  /** SHA-256 of the bytes of the file as stored (compressed, if it is), in hexadecimal. */
  readonly sha256: string;
}

/** Documents in file order, read as they are asked for. May be iterated any number of times. */
export interface DocumentSource extends AsyncIterable<Document> {
  /** What messages call it. */
  readonly name: string;
  /** The files behind it, hashed when this is called. */
  files(): Promise<readonly SourceFile[]>;
}

declare module "@sdmprune/core" {
  interface ExtensionTypes {
    /** A data set with a name: what calibration text may be asked for by name instead of by file. */
    dataset: DocumentSource;
  }
}
