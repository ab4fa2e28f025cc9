export { openAdapter, writeAdapter } from "./node/adapter-folder.js";
export type { OpenedAdapter } from "./node/adapter-folder.js";
export { METRICS_FILE, openMetricsLog, readMetrics } from "./node/reporting/metrics-log.js";
export type { MetricsLog } from "./node/reporting/metrics-log.js";
export { tensorBoardListener } from "./node/reporting/tensorboard-listener.js";
export type { TensorBoardOptions } from "./node/reporting/tensorboard-listener.js";
export { TrainingFolder } from "./node/training-folder.js";
