import { describe, expect, it } from "vitest";
import { jinjaTemplate } from "./jinja-template.js";

const render = (template: string, doc: Record<string, unknown>) =>
  jinjaTemplate(template, "t: doc_to_text")(doc);

// Expected values: jinja2 3.1 with StrictUndefined and keep_trailing_newline, as lm-eval sets it up.
describe("jinjaTemplate", () => {
  it.each<[string, Record<string, unknown>, string]>([
    ["Q: {{q}}\nA:\n", { q: "x " }, "Q: x \nA:\n"],
    ["{{choices.label.index(key)}}", { choices: { label: ["A", "B"] }, key: "B" }, "1"],
    ["{{choices['text'][1]}}", { choices: { text: ["x", "y"] } }, "y"],
    ["{{key.lstrip()}}|", { key: " \ufeffA" }, "\ufeffA|"],
    ["{{ (label|int) - 1}}", { label: "3" }, "2"],
    ["{{text.split(' ')[:-1]|join(' ')}}", { text: "a  b c" }, "a  b"],
    ["{% if flag %}yes{% else %}no{% endif %} {{flag}}", { flag: false }, "no False"],
    ["{% for x in range(2) %}{{x}},{% endfor %}", {}, "0,1,"],
    ["{{ missing | default('none') }}", {}, "none"],
    ["{% set y = x ~ '!' %}{{x}}", { x: "a" }, "a"],
    ["{% set p = 'A.' %}{{p + '\\n\\nQ: ' + q}}", { q: "x" }, "A.\n\nQ: x"],
    ["  {% if true %}\nx{% endif %}", {}, "  \nx"],
    ["{{name.capitalize()}}", { name: "aBC" }, "Abc"],
  ])("renders %j", (template, doc, text) => {
    expect(render(template, doc)).toBe(text);
  });

  it.each<[string, Record<string, unknown>, string]>([
    [
      "{{qestion}}",
      { question: "x", id: 1 },
      't: doc_to_text: expected the row to have "qestion", got question, id.',
    ],
    [
      "a {{choices.txt}}",
      { choices: { text: [] } },
      't: doc_to_text: expected "choices" to have "txt", got text.',
    ],
    ["{{[a, b]}}", { a: "x" }, 't: doc_to_text: expected the row to have "b", got a.'],
    [
      "{{labels.index(key)}}",
      { labels: ["A"], key: "E" },
      't: doc_to_text: the template fails on this row: "E" is not in the list.',
    ],
  ])("refuses %j for a row it does not fit", (template, doc, message) => {
    expect(() => render(template, doc)).toThrow(message);
  });

  it("refuses a malformed template at once", () => {
    expect(() => jinjaTemplate("{{ a ", "t: doc_to_text")).toThrow(
      /^t: doc_to_text: expected a Jinja template, got "\{\{ a " \(/,
    );
  });
});
