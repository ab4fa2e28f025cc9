import { html, Markup, type HtmlValue } from "./html.js";

/** Everything a page of figures and tables needs to be read by day and by night, on a phone and on paper. */
const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#d4d7dc, #3a3f47); --soft: light-dark(#59616c, #a3abb6);
  --panel: light-dark(#f6f7f9, #1b1f25); --page: light-dark(#ffffff, #101317); --text: light-dark(#16191d, #e6e9ee);
  --link: light-dark(#0b57d0, #8ab4f8); }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 82rem; padding: 1.5rem 1.25rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { max-width: 46rem; margin: .5rem 0; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
.wide { overflow-x: auto; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 1rem 1.5rem; align-items: start; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom: 2px solid var(--line); vertical-align: bottom; }
figure { margin: .75rem 0; }
figure [class*="-swatches"] { font-size: .85rem; min-height: 0; }
.beside { display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: flex-start; }
.beside p { max-width: 27rem; }
.beside > .choices, .beside > figure { flex: 1 1 38rem; max-width: 44rem; }
.beside > * { flex: 0 1 auto; max-width: 100%; min-width: 0; }
figure svg { max-width: 100%; height: auto; }
svg [aria-label="tip"] { display: none; }
details { margin: .5rem 0; }
summary { cursor: pointer; color: var(--link); }
code, pre { font: .85rem/1.45 ui-monospace, monospace; }
pre { background: var(--panel); padding: .75rem 1rem; overflow-x: auto; border-radius: .4rem; }
fieldset { border: 0; padding: 0; margin: .5rem 0; }
legend { float: left; padding: 0; margin-right: .75rem; color: var(--soft); font-size: .9rem; line-height: 1.9; }
fieldset label { display: inline-block; margin-right: .75rem; }
.choices > .choice { display: none; clear: both; }
@media print { body { max-width: none; } .choices > .choice { display: block; } fieldset { display: none; } }
`;

export interface HtmlPage {
  readonly title: string;
  readonly body: HtmlValue;
}

/**
 * A page that stands alone: no script, no font, no image from elsewhere, readable from a file. It follows the
 * reader's light or dark setting.
 */
export function htmlPage({ title, body }: HtmlPage): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <link rel="icon" href="data:," />
        <title>${title}</title>
        <style>
          ${new Markup(STYLE)}
        </style>
      </head>
      <body>
        ${body}
      </body>
    </html> `;
  return page.toString();
}

/** One alternative of {@link choices}. */
export interface Choice {
  readonly label: string;
  readonly body: HtmlValue;
}

/**
 * Alternatives of which one is shown, by radio buttons that work from the keyboard and without a script.
 *
 * @param id - Unique in the page; letters, digits and `-`.
 */
export function choices(id: string, legend: string, all: readonly Choice[]): Markup {
  if (all.length === 1) return html`${all[0]!.body}`;
  const rules = all.map((_, i) => `#${id}:has(#${id}-${i}:checked) > .choice-${i}`);
  return html`<div class="choices" id="${id}">
    <style>
      ${new Markup(`${rules.join(",")}{display:block}`)}
    </style>
    <fieldset>
      <legend>${legend}</legend>
      ${all.map(
        ({ label }, i) =>
          html`<label
            ><input type="radio" name="${id}" id="${id}-${i}" ${new Markup(i === 0 ? " checked" : "")} />
            ${label}</label
          >`,
      )}
    </fieldset>
    ${all.map(({ body }, i) => html`<div class="choice choice-${i}">${body}</div>`)}
  </div>`;
}

/** A table whose first column names the row. */
export function htmlTable(head: readonly HtmlValue[], rows: readonly (readonly HtmlValue[])[]): Markup {
  return html`<div class="wide">
    <table>
      <thead>
        <tr>
          ${head.map((cell) => html`<th scope="col">${cell}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ([first, ...rest]) =>
            html`<tr>
              <th scope="row">${first}</th>
              ${rest.map((cell) => html`<td>${cell}</td>`)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}
