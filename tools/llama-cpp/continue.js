// Continues a prompt greedily with llama.cpp: node continue.js MODEL.gguf TEXT N
// Prints one JSON document: ids of the text (without BOS) as llama.cpp's tokenizer has them, and the new ones after
// BOS (if the file asks for one) and text. Offline; the binary is that of @node-llama-cpp/linux-x64.
import { getLlama, LlamaLogLevel } from "node-llama-cpp";

const [, , modelPath, text, maxTokens] = process.argv;
const llama = await getLlama({ gpu: false, build: "never", logLevel: LlamaLogLevel.error, maxThreads: 1 });
const model = await llama.loadModel({ modelPath });
const textIds = model.tokenize(text, false);
const bos = model.tokens.shouldPrependBosToken ? [model.tokens.bos] : [];
const context = await model.createContext({ contextSize: 256, threads: 1 });
const ids = [];
for await (const id of context.getSequence().evaluate([...bos, ...textIds], { temperature: 0 })) {
  ids.push(id);
  if (ids.length >= Number(maxTokens)) break;
}
console.log(JSON.stringify({ bos, textIds, ids }));
process.exit(0);
