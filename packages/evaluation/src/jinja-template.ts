import { errorMessage, FormatError } from "@sdmprune/core";
import * as jinja from "@huggingface/jinja";
import { assertColumn, requiredColumns, type TemplateNode } from "./template-columns.js";
import { pythonCapitalize, pythonLeftStrip, pythonRightStrip, pythonStrip } from "./python-text.js";

interface RuntimeValue {
  readonly type: string;
  readonly value: unknown;
  readonly builtins: Map<string, RuntimeValue>;
  toString(): string;
}

interface Environment {
  /** Converts the value and gives it a name. */
  set(name: string, value: unknown): RuntimeValue;
}

interface Program {
  readonly body: readonly TemplateNode[];
}

/** What is used of the library. Its own declarations import without file endings, so they do not resolve here. */
interface Library {
  tokenize(source: string): unknown;
  parse(tokens: unknown): Program;
  readonly Environment: new (parent?: Environment) => Environment;
  readonly Interpreter: new (environment: Environment) => { run(program: Program): RuntimeValue };
}

const { tokenize, parse, Environment, Interpreter } = jinja as unknown as Library;

/** Renders a template with a document's columns. */
export type JinjaTemplate = (doc: Readonly<Record<string, unknown>>) => string;

/**
 * Compiles a Jinja template as lm-eval does: blocks are not trimmed, a newline at the end is kept, and a column that
 * a document does not have is an error. On top of `@huggingface/jinja`, lists have Python's `index` and `count`,
 * strings strip as in Python, and `True` is written with a capital.
 *
 * @param where - Task and key, for messages.
 * @throws {FormatError} If the template is malformed; when rendering, if it fails on a document.
 */
export function jinjaTemplate(source: string, where: string): JinjaTemplate {
  const program = compile(source, where);
  const columns = requiredColumns(program.body);
  return (doc) => {
    for (const path of columns) assertColumn(doc, path, where);
    try {
      return new Interpreter(new Environment(environment(doc))).run(program).toString();
    } catch (cause) {
      throw new FormatError(`${where}: the template fails on this row: ${errorMessage(cause)}.`, { cause });
    }
  };
}

function compile(source: string, where: string): Program {
  try {
    // The lexer drops one newline at the end.
    return parse(tokenize(source.endsWith("\n") ? `${source}\n` : source));
  } catch (cause) {
    throw new FormatError(
      `${where}: expected a Jinja template, got ${JSON.stringify(source.slice(0, 60))} (${errorMessage(cause)}).`,
      { cause },
    );
  }
}

/** A document is rendered by several templates; making its values costs most of the time. */
const environments = new WeakMap<object, Environment>();

function environment(doc: Readonly<Record<string, unknown>>): Environment {
  const known = environments.get(doc);
  if (known) return known;
  const env = new Environment();
  environments.set(doc, env);
  for (const [name, value] of [
    ["true", true],
    ["True", true],
    ["false", false],
    ["False", false],
    ["none", null],
    ["None", null],
  ] as const) {
    makePythonic(env.set(name, value), env);
  }
  env.set("range", (from: number, to?: number, step = 1) => {
    const [start, stop] = to === undefined ? [0, from] : [from, to];
    return Array.from({ length: Math.max(0, Math.ceil((stop - start) / step)) }, (_, i) => start + i * step);
  });
  for (const [name, value] of Object.entries(doc)) makePythonic(env.set(name, value), env);
  return env;
}

/** Gives a value and what is in it the methods and spelling of Python that templates of tasks use. */
function makePythonic(value: RuntimeValue, env: Environment): void {
  switch (value.type) {
    case "BooleanValue":
      Object.defineProperty(value, "toString", { value: () => (value.value === true ? "True" : "False") });
      return;
    case "ObjectValue":
      for (const each of (value.value as Map<string, RuntimeValue>).values()) makePythonic(each, env);
      return;
    case "ArrayValue": {
      const items = value.value as RuntimeValue[];
      for (const each of items) makePythonic(each, env);
      addMethods(value, env, {
        index: (wanted) => {
          const at = items.findIndex((item) => item.value === wanted);
          if (at < 0) throw new Error(`${JSON.stringify(wanted)} is not in the list`);
          return at;
        },
        count: (wanted) => items.filter((item) => item.value === wanted).length,
      });
      return;
    }
    case "StringValue": {
      const text = value.value as string;
      addMethods(value, env, {
        strip: () => pythonStrip(text),
        lstrip: () => pythonLeftStrip(text),
        rstrip: () => pythonRightStrip(text),
        capitalize: () => pythonCapitalize(text),
      });
    }
  }
}

function addMethods(
  value: RuntimeValue,
  env: Environment,
  methods: Readonly<Record<string, (argument: unknown) => unknown>>,
): void {
  for (const [name, method] of Object.entries(methods)) {
    value.builtins.set(name, new Environment(env).set(name, method)); // the package exports no other way to make a function
  }
}
