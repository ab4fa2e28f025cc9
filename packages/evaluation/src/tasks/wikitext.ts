import { z } from "zod";
import { scoreText } from "../score-document.js";
import type { VersionedTask } from "../task-config.js";
import type { Doc } from "../task.js";
import { pythonStrip } from "../python-text.js";

/**
 * WikiText-2 (Merity et al. 2016, https://arxiv.org/abs/1609.07843) page by page. The model reads the page without
 * the marks of tokenisation; words and bytes are those of the page as it stands.
 */
export const wikitext: VersionedTask = {
  pinned: {
    task: "wikitext",
    datasetPath: "EleutherAI/wikitext_document_level",
    datasetName: "wikitext-2-raw-v1",
    outputType: "loglikelihood_rolling",
    trainingSplit: "train",
    validationSplit: "validation",
    testSplit: "test",
    docToText: "",
    docToTarget: (doc) => detokenised(doc["page"] as string),
    processResults: (doc, [logprob]) => scoreText(doc["page"] as string, logprob as number),
    shouldDecontaminate: true,
    docToDecontaminationQuery: "{{page}}",
    metricList: [
      { metric: "word_perplexity", aggregation: "weighted_perplexity", higherIsBetter: false },
      { metric: "byte_perplexity", aggregation: "weighted_perplexity", higherIsBetter: false },
      { metric: "bits_per_byte", aggregation: "bits_per_byte", higherIsBetter: false },
    ],
    metadata: { version: 2.0 },
    columns: z.looseObject({ page: z.string() }),
    data: {
      repo: "EleutherAI/wikitext_document_level",
      selection: "wikitext-2-raw-v1/test",
      localFiles: ["wikitext2/wiki.test.raw", "wikitext/wiki.test.raw"],
      rowsOfText: pages,
    },
  },
};

/** Cuts the file of all articles before each line that is a title of the first level. */
function pages(text: string): Doc[] {
  const found: string[][] = [[]];
  for (const line of text.split("\n")) {
    const title = pythonStrip(line.replaceAll("= = =", "===").replaceAll("= =", "=="));
    if (title.startsWith("= ") && title.endsWith(" =")) found.push([]);
    found.at(-1)!.push(line);
  }
  const texts = found.map((lines) => lines.join("\n"));
  return texts.filter((page, i) => i > 0 || pythonStrip(page) !== "").map((page) => ({ page }));
}

/** Undoes WikiText's tokenisation. The steps and their order are lm-eval's, the one without effect too. */
function detokenised(page: string): string {
  return page
    .replaceAll("s '", "s'")
    .replace(/\/' [0-9]\//g, "/'[0-9]/")
    .replaceAll(" @-@ ", "-")
    .replaceAll(" @,@ ", ",")
    .replaceAll(" @.@ ", ".")
    .replaceAll(" : ", ": ")
    .replaceAll(" ; ", "; ")
    .replaceAll(" . ", ". ")
    .replaceAll(" ! ", "! ")
    .replaceAll(" ? ", "? ")
    .replaceAll(" , ", ", ")
    .replace(/\(\s*([^)]*?)\s*\)/g, "($1)")
    .replace(/\[\s*([^\]]*?)\s*\]/g, "[$1]")
    .replace(/\{\s*([^}]*?)\s*\}/g, "{$1}")
    .replace(/"\s*([^"]*?)\s*"/g, '"$1"')
    .replace(/'\s*([^']*?)\s*'/g, "'$1'")
    .replaceAll("= = = =", "====")
    .replaceAll("= = =", "===")
    .replaceAll("= =", "==")
    .replaceAll(" ° ", "°")
    .replaceAll(" \n", "\n")
    .replaceAll("\n ", "\n")
    .replaceAll(" N ", " 1 ")
    .replaceAll(" 's", "'s");
}
