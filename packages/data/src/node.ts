export { openDocuments } from "./node/open-documents.js";
export type { OpenDocumentsOptions } from "./node/open-documents.js";
export type { HubDatasetOptions } from "./node/open-hub-dataset.js";
export { openRows } from "./node/open-rows.js";
export type { RowFiles } from "./node/open-rows.js";
export { openTrainingData } from "./node/open-training-data.js";
export { readTextFile } from "./node/read-text-file.js";
export type { TextFile } from "./node/read-text-file.js";
