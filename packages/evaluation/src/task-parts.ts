import { FormatError } from "@sdmprune/core";
import { jinjaTemplate, type JinjaTemplate } from "./jinja-template.js";
import { parsePythonLiteral } from "./python-literal.js";
import type { DocPart, TaskConfig } from "./task-config.js";
import type { Doc } from "./task.js";

/** Reads a document's context, choices and target by a task's settings, by lm-eval's rules. */
export interface TaskParts {
  text(doc: Doc): string | number;
  choices(doc: Doc): readonly string[];
  target(doc: Doc): unknown;
  description(doc: Doc): string;
}

/**
 * Prepares a task's templates. Functions of the result throw FormatError for a document that does not fit.
 *
 * @throws {FormatError} If a template is malformed.
 */
export function taskParts(config: TaskConfig): TaskParts {
  const where = (key: string): string => `${config.task}: ${key}`;
  const text = part(config.docToText, where("doc_to_text"));
  const target =
    typeof config.docToTarget === "number"
      ? { ofColumn: () => undefined, rendered: undefined, value: config.docToTarget }
      : part(config.docToTarget, where("doc_to_target"));
  const choice =
    config.docToChoice === undefined || Array.isArray(config.docToChoice)
      ? undefined
      : part(config.docToChoice as DocPart<readonly string[]>, where("doc_to_choice"));
  const description = jinjaTemplate(config.description ?? "", where("description"));
  const hasChoices = config.docToChoice !== undefined;

  return {
    text(doc) {
      const { value, rendered } = evaluate(text, doc);
      if (rendered === undefined) return value as string | number;
      return hasChoices && isDigits(rendered) ? Number(rendered) : rendered;
    },
    target(doc) {
      const { value, rendered } = evaluate(target, doc);
      if (rendered === undefined) return value;
      if (hasChoices && isDigits(rendered)) return Number(rendered);
      return rendered.startsWith("[") && rendered.endsWith("]") && rendered.length > 1
        ? listOrText(rendered, where("doc_to_target"))
        : rendered;
    },
    choices(doc) {
      const { value, rendered } = choice
        ? evaluate(choice, doc)
        : { value: config.docToChoice as unknown, rendered: undefined };
      const list = rendered === undefined ? value : parsePythonLiteral(rendered, where("doc_to_choice"));
      return checkedChoices(list, where("doc_to_choice"));
    },
    description,
  };
}

interface Part {
  /** The value of the column of this name, if the document has it. */
  ofColumn(doc: Doc): { value: unknown } | undefined;
  readonly rendered: JinjaTemplate | undefined;
  readonly value?: unknown;
}

function part(source: DocPart<unknown>, where: string): Part {
  if (typeof source === "function")
    return { ofColumn: (doc) => ({ value: source(doc) }), rendered: undefined };
  return {
    ofColumn: (doc) => (Object.hasOwn(doc, source) ? { value: doc[source] } : undefined),
    rendered: jinjaTemplate(source, where),
  };
}

function evaluate(part: Part, doc: Doc): { value?: unknown; rendered?: string } {
  const column = part.ofColumn(doc);
  if (column) return column;
  return part.rendered ? { rendered: part.rendered(doc) } : { value: part.value };
}

/** Python's `str.isdigit` for what templates render. */
function isDigits(text: string): boolean {
  return /^\d+$/.test(text);
}

function listOrText(text: string, where: string): unknown {
  try {
    return parsePythonLiteral(text, where);
  } catch {
    return text; // a text that happens to stand in brackets, as lm-eval takes it
  }
}

function checkedChoices(list: unknown, where: string): readonly string[] {
  if (!Array.isArray(list)) {
    throw new FormatError(`${where}: expected a list of choices, got ${JSON.stringify(list) ?? "nothing"}.`);
  }
  if (list.length === 0) throw new FormatError(`${where}: expected at least one choice, got an empty list.`);
  return list.map((choice: unknown, i) => {
    if (typeof choice === "string") return choice;
    if (typeof choice === "number") return String(choice);
    throw new FormatError(`${where}: expected choice ${i} to be a text, got ${JSON.stringify(choice)}.`);
  });
}
