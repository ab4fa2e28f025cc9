/** HTML that stands as it is; anything else that goes into {@link html} is escaped. */
export class Markup {
  constructor(private readonly text: string) {}

  toString(): string {
    return this.text;
  }
}

/** What may stand in an {@link html} template: text, numbers, markup, lists of these; nothing for what is undefined. */
export type HtmlValue = string | number | Markup | undefined | readonly HtmlValue[];

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Template tag for HTML: text that is put in is escaped, so that a name with `<` in it stays a name. */
export function html(strings: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  return new Markup(strings.map((text, i) => (i === 0 ? text : markupOf(values[i - 1]) + text)).join(""));
}

function markupOf(value: HtmlValue): string {
  if (value === undefined) return "";
  if (value instanceof Markup) return value.toString();
  if (typeof value === "object") return value.map(markupOf).join("");
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character]!);
}
