export { encodeScoreFile } from "./score-file/encode-score-file.js";
export { findStageScores } from "./score-file/find-stage-scores.js";
export type { WantedScores } from "./score-file/find-stage-scores.js";
export { readScoreFile } from "./score-file/read-score-file.js";
export type { LayerScores, ScoreFile, StageScores } from "./score-file/score-file.js";
