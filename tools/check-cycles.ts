import { readFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/**
 * Finds a cycle of imports between files. Imports of types alone do not count: they are gone at run time.
 *
 * @param files - Absolute paths, and what each imports at run time.
 * @returns The files of the first cycle found, the first repeated at the end; undefined if there is none.
 */
export function findCycle(files: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (file: string): string[] | undefined => {
    if (trail.includes(file)) return [...trail.slice(trail.indexOf(file)), file];
    if (finished.has(file)) return undefined;
    trail.push(file);
    for (const imported of files.get(file) ?? []) {
      const cycle = visit(imported);
      if (cycle) return cycle;
    }
    trail.pop();
    finished.add(file);
    return undefined;
  };
  for (const file of files.keys()) {
    const cycle = visit(file);
    if (cycle) return cycle;
  }
  return undefined;
}

/** The files that `text`, the content of the TypeScript file `path`, imports at run time by a relative path. */
export function runtimeImports(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.ES2023);
  return source.statements.flatMap((statement) => {
    const isImport = ts.isImportDeclaration(statement);
    if (!isImport && !ts.isExportDeclaration(statement)) return [];
    const clause = isImport ? statement.importClause : statement;
    const bindings = isImport ? statement.importClause?.namedBindings : statement.exportClause;
    const isTypeOnly = clause?.isTypeOnly ?? false;
    const isListOfTypes =
      bindings !== undefined &&
      (ts.isNamedImports(bindings) || ts.isNamedExports(bindings)) &&
      bindings.elements.length > 0 &&
      bindings.elements.every((element) => element.isTypeOnly) &&
      !(isImport && statement.importClause?.name);
    const specifier = statement.moduleSpecifier;
    if (isTypeOnly || isListOfTypes || !specifier || !ts.isStringLiteral(specifier)) return [];
    return /^\.{1,2}\//.test(specifier.text)
      ? [resolve(dirname(path), specifier.text.replace(/\.js$/, ".ts"))]
      : [];
  });
}

async function sourceFiles(root: string): Promise<string[]> {
  const found: string[] = [];
  for (const group of ["packages", "plugins"]) {
    for (const name of await readdir(join(root, group))) {
      const entries = await readdir(join(root, group, name, "src"), { recursive: true });
      found.push(
        ...entries.filter((e) => e.endsWith(".ts")).map((entry) => join(root, group, name, "src", entry)),
      );
    }
  }
  return found;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL("..", import.meta.url));
  const files = await sourceFiles(root);
  const graph = new Map(files.map((file) => [file, runtimeImports(file, readFileSync(file, "utf8"))]));
  const numImports = [...graph.values()].reduce((sum, imports) => sum + imports.length, 0);
  const cycle = findCycle(graph);
  if (cycle) {
    console.error(`Import cycle: ${cycle.map((file) => relative(root, file)).join(" -> ")}`);
    process.exitCode = 1;
  } else {
    console.log(`No import cycles in ${files.length} files with ${numImports} relative imports.`);
  }
}
