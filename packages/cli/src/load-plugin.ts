import { existsSync, statSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { errorMessage, isPlugin, PluginError, type Plugin } from "@sdmprune/core";
import { registerHostHooks } from "../bin/host-hooks.js";
import { importDefault } from "./import-file.js";

/**
 * Loads a plugin by what the user called it: a file (`./criterion.ts`, `.js`, `.mjs`; an absolute path or `file:`
 * URL will do) or a package name, looked up from `cwd` first and then beside this program.
 *
 * @param spec - Value of `--plugin` or of an entry of `plugins` in a config file.
 * @throws {PluginError} If it is missing, cannot be loaded, or does not export a plugin as default.
 */
export async function loadPlugin(
  spec: string,
  { cwd = process.cwd() }: { cwd?: string } = {},
): Promise<Plugin> {
  const url = await locatePlugin(spec, { cwd });
  const plugin = await importDefault(url, `Plugin "${spec}"`);
  if (!isPlugin(plugin)) {
    throw new PluginError(
      `Plugin "${spec}": expected the default export to come from definePlugin({ name, register }) of @sdmprune/core, got ${typeof plugin}.`,
    );
  }
  return plugin;
}

/** Address of the module that {@link loadPlugin} loads. */
export async function locatePlugin(
  spec: string,
  { cwd = process.cwd() }: { cwd?: string } = {},
): Promise<string> {
  return isPath(spec) ? locateFile(spec, cwd) : await locatePackage(spec, cwd);
}

function isPath(spec: string): boolean {
  return /^\.{1,2}[\\/]/.test(spec) || spec.startsWith("file:") || isAbsolute(spec);
}

function locateFile(spec: string, cwd: string): string {
  const file = spec.startsWith("file:") ? fileURLToPath(spec) : resolve(cwd, spec);
  if (!existsSync(file)) throw new PluginError(`Plugin "${spec}": no such file, looked for ${file}.`);
  if (statSync(file).isDirectory()) {
    throw new PluginError(`Plugin "${spec}": expected a file, got a folder; name the file in it.`);
  }
  return pathToFileURL(file).href;
}

async function locatePackage(name: string, cwd: string): Promise<string> {
  await registerHostHooks();
  const request = JSON.stringify([name, pathToFileURL(join(cwd, "/")).href]);
  try {
    const located = (await import(`sdmprune-locate:${encodeURIComponent(request)}`)) as { default: string };
    return located.default;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") {
      throw new PluginError(`Plugin "${name}": could not be resolved: ${errorMessage(cause)}`, { cause });
    }
    const hint = existsSync(resolve(cwd, name))
      ? `For the file of that name, write "./${name}".`
      : `Install it (npm install ${name}), or write "./${name}" for a file.`;
    throw new PluginError(`Plugin "${name}": no such package in ${cwd} or beside sdmprune. ${hint}`, {
      cause,
    });
  }
}
