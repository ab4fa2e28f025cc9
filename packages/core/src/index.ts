export {
  ConfigError,
  errorMessage,
  FormatError,
  InterruptedError,
  isSdmPruneError,
  NonFiniteError,
  NotFoundError,
  PluginError,
  RegistryError,
  SdmPruneError,
  ShapeError,
  UsageError,
} from "./errors.js";
export type { SdmPruneErrorOptions } from "./errors.js";
export { configSchema, defineConfig } from "./config/config-schema.js";
export type { Config } from "./config/config-schema.js";
export { parseConfig, snakeCase } from "./config/parse-config.js";
export type { ConfigSpelling } from "./config/parse-config.js";
export { inject, injectable, ServiceContainer } from "./container.js";
export { EXTENSION_POINTS, Host, Run } from "./host.js";
export type { ExtensionPoint, ExtensionTypes, Registries, RunOptions } from "./host.js";
export { describeProblems, parseOptions, show } from "./options.js";
export { definePlugin, isPlugin } from "./plugin.js";
export type { Plugin } from "./plugin.js";
export { silentProgress, startTask } from "./progress.js";
export type { ProgressEvent, ProgressFigures, ProgressListener, ProgressTask } from "./progress.js";
export { Registry } from "./registry.js";
export type { Factory, RegistrationMeta, RegistryEntry } from "./registry.js";
export { Rng } from "./rng.js";
export { suggestNames } from "./suggest.js";
export { VERSION } from "./version.js";
export { TOKENS } from "./tokens.js";
