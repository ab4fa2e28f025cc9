import { readFileSync } from "node:fs";
import ts from "typescript";

/** A module specifier in a source file. */
export interface ModuleImport {
  readonly specifier: string;
  /** From 1. */
  readonly line: number;
  /** Whether it is erased: `import type`, `export type`, `typeof import(…)`, `declare module`. */
  readonly isTypeOnly: boolean;
  /** Whether it is loaded only when the code gets there. */
  readonly isDynamic: boolean;
}

/** A string in a source file that is no module specifier. */
export interface TextLiteral {
  readonly text: string;
  readonly line: number;
}

/** Every import of a TypeScript file, in whatever form, and its other strings. */
export function readImports(file: string): { imports: ModuleImport[]; literals: TextLiteral[] } {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  const imports: ModuleImport[] = [];
  const literals: TextLiteral[] = [];
  const specifiers = new Set<ts.Node>();
  const lineOf = (node: ts.Node) => source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1;

  const add = (node: ts.Node | undefined, { isTypeOnly = false, isDynamic = false } = {}) => {
    if (!node || !ts.isStringLiteralLike(node)) return;
    specifiers.add(node);
    imports.push({ specifier: node.text, line: lineOf(node), isTypeOnly, isDynamic });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, {
        isTypeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
      });
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, { isTypeOnly: node.isTypeOnly });
    } else if (ts.isImportTypeNode(node)) {
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, { isTypeOnly: true });
    } else if (ts.isModuleDeclaration(node)) {
      add(node.name, { isTypeOnly: true });
    } else if (ts.isExternalModuleReference(node)) {
      add(node.expression);
    } else if (ts.isCallExpression(node) && loadsModule(node.expression)) {
      add(node.arguments[0], { isDynamic: true });
    } else if (ts.isStringLiteralLike(node) && !specifiers.has(node)) {
      literals.push({ text: node.text, line: lineOf(node) });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return { imports, literals };
}

/** Whether a call of `callee` takes a module specifier: `import`, `require`, `require.resolve`, `import.meta.resolve`. */
function loadsModule(callee: ts.Expression): boolean {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true;
  return /^(require|require\.resolve|import\.meta\.resolve)$/.test(callee.getText());
}
