// Module hooks, run by Node in a thread of their own (node:module register). See host-hooks.js.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Imports of these are the host's copy, wherever the importing file is. */
const SHARED = /^@sdmprune\//;
const TYPESCRIPT = /^file:[^?#]*\.m?ts([?#]|$)/;
/** `sdmprune-locate:<JSON of [specifier, parent URL]>` imports as the URL that the specifier resolves to. */
const LOCATE = "sdmprune-locate:";

let host = "";
let conditions = [];

export function initialize(data) {
  host = data.host;
  conditions = data.conditions;
}

/** A plugin is an ES module, also in a folder where no package.json says so. */
export async function resolve(specifier, context, nextResolve) {
  const resolved = await locate(specifier, context, nextResolve);
  const isModule =
    TYPESCRIPT.test(resolved.url) || (resolved.format === "commonjs" && hasModuleSyntax(resolved.url));
  return isModule ? { ...resolved, format: "module" } : resolved;
}

async function locate(specifier, context, nextResolve) {
  const from = (parentURL) => ({ ...context, parentURL, conditions: [...context.conditions, ...conditions] });
  if (specifier.startsWith(LOCATE)) {
    const [wanted, parent] = JSON.parse(decodeURIComponent(specifier.slice(LOCATE.length)));
    const { url } = await firstOf(
      [parent, host],
      (parentURL) => nextResolve(wanted, from(parentURL)),
      wanted,
    );
    return { url: LOCATE + encodeURIComponent(url), format: "module", shortCircuit: true };
  }
  if (!isPackage(specifier)) return nextResolve(specifier, from(context.parentURL));
  const parents = SHARED.test(specifier) ? [host, context.parentURL] : [context.parentURL, host];
  return firstOf(parents, (parentURL) => nextResolve(specifier, from(parentURL)), specifier);
}

export async function load(url, context, nextLoad) {
  if (!url.startsWith(LOCATE)) return nextLoad(url, context);
  const located = decodeURIComponent(url.slice(LOCATE.length));
  return { format: "module", source: `export default ${JSON.stringify(located)};`, shortCircuit: true };
}

/** Whether a .js file outside any package folder imports or exports. Node finds that out by itself, tsx does not. */
function hasModuleSyntax(url) {
  if (!/^file:[^?#]*\.js([?#]|$)/.test(url) || url.includes("/node_modules/")) return false;
  return /^\s*(import|export)[\s{*"']/m.test(readFileSync(fileURLToPath(url), "utf8"));
}

function isPackage(specifier) {
  return /^(@[^/]+\/)?[\w~-]/.test(specifier) && !/^[a-z][a-z+.-]*:/i.test(specifier);
}

/** The first parent from which it resolves; only "not found" tries the next, and the importer's own error is thrown. */
async function firstOf(parents, attempt, specifier) {
  let failure;
  for (const parent of parents) {
    try {
      return await attempt(parent);
    } catch (error) {
      if (error?.code !== "ERR_MODULE_NOT_FOUND") throw error;
      failure ??= error;
    }
  }
  throw failure ?? new Error(`Cannot resolve "${specifier}".`);
}
