export { openAdapter, writeAdapter } from "./node/adapter-folder.js";
export type { OpenedAdapter } from "./node/adapter-folder.js";
export { TrainingFolder } from "./node/training-folder.js";
