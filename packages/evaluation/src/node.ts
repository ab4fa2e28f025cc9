export { openJournal } from "./node/evaluation-journal.js";
export type { JournalFile } from "./node/evaluation-journal.js";
export { loadTaskDocuments } from "./node/load-task-documents.js";
export type { LoadedTask, LoadTaskOptions } from "./node/load-task-documents.js";
export { loadYamlTask } from "./node/load-yaml-task.js";
export { readCheckpointResults, readSamples } from "./node/read-results.js";
export { resultsFolder, writeResults } from "./node/write-results.js";
export type { WrittenResults } from "./node/write-results.js";
