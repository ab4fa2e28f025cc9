import { isBuiltin } from "node:module";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import {
  ALLOWED_SIDEWAYS,
  CORE_EXTERNALS,
  ISOMORPHIC,
  LAYER,
  MAY_NAME_PLUGINS,
  ONLY_IN,
  OWNED_EXTERNALS,
  PLUGIN_MAY_IMPORT,
  TEST_SUPPORT,
  UNDECLARED_IN_TESTS,
  UNLOADED,
} from "./boundaries/boundary-table.js";
import { readWorkspace, type SourceFile, type WorkspacePackage } from "./boundaries/read-workspace.js";

/**
 * Checks that imports keep to the architecture: `npx tsx tools/check-boundaries.ts` prints one line
 * `file:line: …` per violation and ends with exit code 1 if there is any.
 */
export function checkBoundaries(root: string): string[] {
  const packages = readWorkspace(root);
  const byName = new Map(packages.map((each) => [each.name, each]));
  const violations: string[] = [];
  for (const owner of packages) {
    if (!owner.isPlugin && LAYER[owner.folder] === undefined) {
      violations.push(
        `${owner.path}/package.json:1: ${owner.folder} has no layer; add it to the boundary table.`,
      );
    }
    for (const file of owner.files) {
      const report = (line: number, message: string) =>
        violations.push(`${owner.path}/${file.path}:${line}: ${message}`);
      for (const { specifier, line, isTypeOnly } of file.imports) {
        for (const message of checkImport(owner, file, specifier, isTypeOnly, byName)) report(line, message);
      }
      if (file.isTest || owner.isPlugin || MAY_NAME_PLUGINS.includes(owner.folder)) continue;
      for (const { text, line } of file.literals) {
        if (byName.get(text)?.isPlugin)
          report(line, `${owner.folder} names the plugin "${text}"; ${PLUGIN_NAMERS} may.`);
      }
    }
    violations.push(...checkUnloaded(owner));
  }
  return [...violations, ...checkCycles(packages, byName)];
}

const PLUGIN_NAMERS = `only ${MAY_NAME_PLUGINS.join(" and ")}`;

function checkImport(
  owner: WorkspacePackage,
  file: SourceFile,
  specifier: string,
  isTypeOnly: boolean,
  byName: ReadonlyMap<string, WorkspacePackage>,
): string[] {
  if (specifier.startsWith(".")) return checkRelative(owner, file, specifier, isTypeOnly);
  if (isBuiltin(specifier)) {
    if (file.isTest || !ISOMORPHIC.includes(owner.folder) || isNodeFile(file.path)) return [];
    return [`"${specifier}" outside src/node.ts and src/node/; ${owner.folder} runs in browsers too.`];
  }
  const packageName = specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
  const messages: string[] = [];
  const target = byName.get(packageName);
  if (target) {
    const entry = `.${specifier.slice(packageName.length)}`;
    if (!target.entries.has(entry)) {
      messages.push(`"${specifier}" is not in the exports of ${packageName}; it offers ${offered(target)}.`);
    }
    if (target !== owner && !file.isTest) messages.push(...checkDirection(owner, file, target));
  } else {
    messages.push(...checkExternal(owner, file, packageName));
  }
  const isForTests = file.isTest || owner.folder === TEST_SUPPORT;
  const isDeclared = owner.dependencies.has(packageName) || target === owner;
  const isDeclaredForTests =
    owner.devDependencies.has(packageName) || UNDECLARED_IN_TESTS.includes(packageName);
  if (!isDeclared && !(isForTests && isDeclaredForTests)) {
    const kind = isForTests ? "dependencies or devDependencies" : "dependencies";
    messages.push(`"${packageName}" is not in the ${kind} of ${owner.path}/package.json.`);
  }
  return messages;
}

function checkRelative(
  owner: WorkspacePackage,
  file: SourceFile,
  specifier: string,
  isTypeOnly: boolean,
): string[] {
  const target = posix.join(posix.dirname(file.path), specifier);
  if (target.startsWith("../")) {
    return file.isTest ? [] : [`"${specifier}" leaves ${owner.path}; import a package by its name.`];
  }
  const entersNode = isNodeFile(target) && !isNodeFile(file.path);
  if (entersNode && !isTypeOnly && !file.isTest && ISOMORPHIC.includes(owner.folder)) {
    return [`"${specifier}" needs Node; only ${owner.name}/node may lead there.`];
  }
  return [];
}

/** Whether a path in a package, with or without extension, belongs to its Node entry. */
function isNodeFile(path: string): boolean {
  return /^src\/node(\/|\.[jt]s$)/.test(path);
}

function checkDirection(owner: WorkspacePackage, file: SourceFile, target: WorkspacePackage): string[] {
  if (target.isPlugin) {
    if (owner.isPlugin)
      return [`plugin ${owner.folder} imports plugin ${target.folder}; plugins never import one another.`];
    return MAY_NAME_PLUGINS.includes(owner.folder)
      ? []
      : [`${owner.folder} imports the plugin ${target.folder}; ${PLUGIN_NAMERS} may.`];
  }
  if (owner.isPlugin) {
    const allowed = PLUGIN_MAY_IMPORT[owner.folder.split("-")[0]!] ?? ["core"];
    return allowed.includes(target.folder)
      ? []
      : [`plugin ${owner.folder} imports ${target.folder}; it may import ${allowed.join(", ")}.`];
  }
  const only = ONLY_IN.find((rule) => rule.owner === owner.folder && rule.imports === target.folder);
  if (only && !only.files.test(file.path)) {
    return [`${owner.folder} imports ${target.folder} outside ${only.where}.`];
  }
  const from = LAYER[owner.folder] ?? Infinity;
  const to = LAYER[target.folder] ?? -Infinity;
  if (to < from || ALLOWED_SIDEWAYS[owner.folder]?.includes(target.folder)) return [];
  return [
    `${owner.folder} (layer ${from}) imports ${target.folder} (layer ${to}); imports point only downward.`,
  ];
}

function checkExternal(owner: WorkspacePackage, file: SourceFile, packageName: string): string[] {
  const owned = OWNED_EXTERNALS.find(({ external }) => matches(external, packageName));
  if (owned && !owned.owners.some((pattern) => matches(pattern, owner.folder))) {
    return [`${owner.folder} imports "${packageName}"; only ${owned.owners.join(" and ")} may.`];
  }
  if (owner.folder === "core" && !file.isTest && !CORE_EXTERNALS.includes(packageName)) {
    return [`core imports "${packageName}"; it may import ${CORE_EXTERNALS.join(", ")}.`];
  }
  return [];
}

function matches(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

/** Follows the static imports of an entry that must not load something. */
function checkUnloaded(owner: WorkspacePackage): string[] {
  const violations: string[] = [];
  const files = new Map(owner.files.map((file) => [file.path, file]));
  for (const rule of UNLOADED) {
    const start = matches(rule.owner, owner.folder) ? owner.entries.get(rule.entry) : undefined;
    const queue = start === undefined ? [] : [start];
    for (const path of queue) {
      for (const { specifier, line, isTypeOnly, isDynamic } of files.get(path)?.imports ?? []) {
        if (isTypeOnly || isDynamic) continue;
        if (specifier.startsWith(".")) {
          const next = posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
          if (!queue.includes(next)) queue.push(next); // the loop goes on over what is added
        } else if (rule.mustNotLoad.includes(specifier)) {
          const entry = posix.join(owner.name, rule.entry);
          violations.push(
            `${owner.path}/${path}:${line}: "${specifier}" is loaded by ${entry}; ${rule.because}.`,
          );
        }
      }
    }
  }
  return violations;
}

/** Packages that need each other, devDependencies counted, cannot be built in any order. */
function checkCycles(
  packages: readonly WorkspacePackage[],
  byName: ReadonlyMap<string, WorkspacePackage>,
): string[] {
  const violations: string[] = [];
  const done = new Set<WorkspacePackage>();
  const visit = (each: WorkspacePackage, path: readonly WorkspacePackage[]): void => {
    const at = path.indexOf(each);
    if (at >= 0) {
      const cycle = [...path.slice(at), each].map(({ name }) => name).join(" -> ");
      violations.push(`${each.path}/package.json:1: dependencies go in a circle: ${cycle}.`);
    }
    if (at >= 0 || done.has(each)) return;
    for (const name of [...each.dependencies, ...each.devDependencies]) {
      const next = byName.get(name);
      if (next) visit(next, [...path, each]);
    }
    done.add(each);
  };
  for (const each of packages) visit(each, []);
  return violations;
}

function offered({ name, entries }: WorkspacePackage): string {
  return [...entries.keys()].map((entry) => posix.join(name, entry)).join(", ");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const violations = checkBoundaries(join(import.meta.dirname, ".."));
  for (const violation of violations) console.error(violation);
  if (violations.length > 0) process.exitCode = 1;
  else console.log("Import boundaries: no violations.");
}
