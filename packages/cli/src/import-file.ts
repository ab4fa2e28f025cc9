import { pathToFileURL } from "node:url";
import { errorMessage, PluginError, type SdmPruneErrorOptions } from "@sdmprune/core";
import { registerHostHooks } from "../bin/host-hooks.js";

type ErrorClass = new (message: string, options?: SdmPruneErrorOptions) => Error;

const TYPESCRIPT = /\.[cm]?ts$/;

/**
 * Imports a module by URL or absolute path, TypeScript included, and returns its default export. Whatever it
 * imports of `@sdmprune/*` is the copy of this program.
 *
 * @param where - What the user called the file, for the error.
 * @throws `ErrorClass`, with the cause, if it cannot be parsed or throws; or if it has no default export.
 */
export async function importDefault(
  fileOrUrl: string,
  where: string,
  ErrorClass: ErrorClass = PluginError,
): Promise<unknown> {
  const url = fileOrUrl.startsWith("file:") ? fileOrUrl : pathToFileURL(fileOrUrl).href;
  let module: { default?: unknown };
  try {
    await registerHostHooks(TYPESCRIPT.test(new URL(url).pathname) ? { tsconfig: true } : {});
    module = (await import(url)) as { default?: unknown };
  } catch (cause) {
    throw new ErrorClass(`${where}: could not be loaded: ${describe(cause)}`, { cause });
  }
  if (module.default === undefined) {
    const names = Object.keys(module);
    const got = names.length > 0 ? `only ${names.join(", ")}` : "no export";
    throw new ErrorClass(`${where}: expected a default export, got ${got}.`);
  }
  return module.default;
}

/** `SyntaxError: …` keeps its name, since its message alone says little; others speak for themselves. */
function describe(cause: unknown): string {
  const text = errorMessage(cause);
  return cause instanceof SyntaxError && !text.startsWith("SyntaxError") ? `SyntaxError: ${text}` : text;
}
