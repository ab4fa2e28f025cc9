import type { LegendOptions, PlotOptions } from "@observablehq/plot";
import { legend, plot } from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { Markup } from "./html.js";

/**
 * A plot of Observable Plot, drawn here and not in the reader's browser: the markup holds the finished SVG, so the page
 * needs no script and can be tested as text. `title` channels become tool tips. Colours of text and axes are the
 * page's.
 *
 * @param options - As Plot takes them; `ariaLabel` says what the picture shows to those who do not see it.
 */
export function drawPlot(options: PlotOptions & { readonly ariaLabel: string }): Markup {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const drawn = plot({
    marginLeft: 52,
    style: { fontSize: "12px" },
    ...options,
    document: document,
  });
  const svgs = [...drawn.querySelectorAll("svg"), drawn];
  for (const svg of svgs)
    if (svg.getAttribute("aria-label") === options.ariaLabel) svg.setAttribute("role", "img");
  const markup = drawn.outerHTML;
  return new Markup(markup.startsWith("<figure") ? markup : `<figure>${markup}</figure>`);
}

/** A legend without its plot, for several plots that share a scale. */
export function drawLegend(options: Parameters<typeof legend>[0]): Markup {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const drawn = legend({ style: { fontSize: "12px" }, ...options, document } as LegendOptions);
  return new Markup(`<figure>${drawn.outerHTML}</figure>`);
}
