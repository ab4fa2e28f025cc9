import { FormatError } from "@sdmprune/core";

/** A node of a parsed template, as far as it is looked at here. */
export interface TemplateNode {
  readonly type: string;
  readonly value?: unknown;
  readonly object?: TemplateNode;
  readonly property?: TemplateNode;
  readonly callee?: TemplateNode;
  readonly operand?: TemplateNode;
  readonly filter?: TemplateNode;
  readonly computed?: boolean;
  readonly left?: TemplateNode;
  readonly right?: TemplateNode;
  readonly args?: readonly TemplateNode[];
  readonly name?: TemplateNode;
  readonly assignee?: TemplateNode;
  readonly body?: readonly TemplateNode[];
  readonly alternate?: readonly TemplateNode[];
  readonly defaultBlock?: readonly TemplateNode[];
}

/** The columns, with their fields, that the template writes out unconditionally, such as `choices.text`. */
export function requiredColumns(body: readonly TemplateNode[]): string[][] {
  const assigned = new Set(assignedNames(body));
  return body
    .filter(({ type }) => !STATEMENTS.has(type))
    .flatMap(pathsIn)
    .filter(([name]) => !assigned.has(name!));
}

const STATEMENTS: ReadonlySet<string> = new Set(["Set", "For", "If", "Macro"]);

/** Names that the template gives a value itself. */
function assignedNames(body: readonly TemplateNode[]): string[] {
  return body.flatMap((node) => {
    const nested = [node.body, node.alternate, node.defaultBlock].flatMap((each) =>
      assignedNames(each ?? []),
    );
    if (node.type === "Macro") return [node.name!.value as string, ...nested];
    if (node.type !== "Set") return nested;
    const { assignee } = node;
    const names = assignee!.type === "TupleLiteral" ? (assignee!.value as TemplateNode[]) : [assignee!];
    return [...names.flatMap(({ value }) => (typeof value === "string" ? [value] : [])), ...nested];
  });
}

const GLOBALS = new Set(["true", "True", "false", "False", "none", "None", "range", "loop", "namespace"]);

function pathsIn(node: TemplateNode): string[][] {
  switch (node.type) {
    case "Identifier":
      return GLOBALS.has(node.value as string) ? [] : [[node.value as string]];
    case "MemberExpression": {
      const [path, ...more] = pathsIn(node.object!);
      const inner = node.computed ? pathsIn(node.property!) : [];
      if (path === undefined) return inner;
      // Only a chain of plain names is a path: what is behind an index or a call is not looked at.
      const isChain = node.object!.type === "Identifier" || node.object!.type === "MemberExpression";
      const extended = !node.computed && isChain ? [...path, node.property!.value as string] : path;
      return [extended, ...more, ...inner];
    }
    case "CallExpression": {
      const callee = node.callee!;
      const inCallee = callee.type === "MemberExpression" ? pathsIn(callee.object!) : [];
      return [...inCallee, ...(node.args ?? []).flatMap(pathsIn)];
    }
    case "BinaryExpression":
      return [...pathsIn(node.left!), ...pathsIn(node.right!)];
    case "FilterExpression":
      return (node.filter?.callee ?? node.filter)?.value === "default" ? [] : pathsIn(node.operand!);
    case "ArrayLiteral":
    case "TupleLiteral":
      return (node.value as TemplateNode[]).flatMap(pathsIn);
    default:
      return [];
  }
}

/**
 * @param path - A column and fields in it.
 * @throws {FormatError} If the document has not this column or field.
 */
export function assertColumn(
  doc: Readonly<Record<string, unknown>>,
  path: readonly string[],
  where: string,
): void {
  let value: unknown = doc;
  for (const [i, key] of path.entries()) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return; // a method or index of Python's
    if (!(key in value)) {
      const holder = i === 0 ? "the row" : `"${path.slice(0, i).join(".")}"`;
      throw new FormatError(
        `${where}: expected ${holder} to have "${key}", got ${Object.keys(value).join(", ") || "no fields"}.`,
      );
    }
    value = (value as Record<string, unknown>)[key];
  }
}
