/**
 * The prompt of Stanford Alpaca, up to where the response begins, word for word from `train.py` of
 * https://github.com/tatsu-lab/stanford_alpaca (Taori et al. 2023, Apache-2.0): models tuned on it expect this very text.
 *
 * @param input - What the instruction is about; without one, or with white space only, the shorter prompt is used.
 */
export function alpacaPrompt(instruction: string, input = ""): string {
  return input.trim() === ""
    ? `${PREAMBLE} that describes a task. ${REQUEST}\n\n### Instruction:\n${instruction}\n\n### Response:\n`
    : `${PREAMBLE} that describes a task, paired with an input that provides further context. ${REQUEST}\n\n` +
        `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n### Response:\n`;
}

const PREAMBLE = "Below is an instruction";
const REQUEST = "Write a response that appropriately completes the request.";
