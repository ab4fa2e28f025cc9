import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops.js";
import "@tensorflow/tfjs-core/dist/register_all_gradients.js";
import { setTestEnvs } from "@tensorflow/tfjs-core/dist/jasmine_util.js";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { argv, exit } from "node:process";
import { setSmallTensor } from "../src/kernels/native-kernel.js";
import { registerOnnxBackend } from "../src/register.js";

// Runs tfjs-core's own specs on one backend and writes what became of each as JSON; `tfjs-core-suite.test.ts` bundles
// this file, appends the specs, and starts it. Arguments: the file for the results, the backend's name, what
// counts as a small tensor.

interface SpecResult {
  fullName: string;
  status: "passed" | "failed" | "excluded" | "pending";
  failedExpectations: { message: string }[];
}

interface JasmineEnv {
  configure(options: object): void;
  clearReporters(): void;
  addReporter(reporter: { specDone(result: SpecResult): void; jasmineDone(): void }): void;
  execute(): Promise<unknown>;
}

const [, , results = "results.json", backend = "onnx", smallTensor] = argv;
registerOnnxBackend();
if (smallTensor !== undefined) setSmallTensor(Number(smallTensor));

interface JasmineCore {
  boot(core: JasmineCore): { getEnv(): JasmineEnv; DEFAULT_TIMEOUT_INTERVAL: number };
}

const core = createRequire(import.meta.url)("jasmine-core") as JasmineCore;
const jasmine = core.boot(core);
jasmine.DEFAULT_TIMEOUT_INTERVAL = 20_000;
setTestEnvs([{ name: backend, backendName: backend, isDataSync: true }]);

const specs: Record<string, { status: string; messages: string[] }> = {};
const env = jasmine.getEnv();
env.configure({ random: false });
env.clearReporters();
env.addReporter({
  specDone({ fullName, status, failedExpectations }) {
    const name = fullName.replaceAll(` ${backend} {}`, "");
    let unique = name;
    for (let i = 2; unique in specs; i++) unique = `${name} (${i})`;
    specs[unique] = { status, messages: failedExpectations.map(({ message }) => message) };
  },
  jasmineDone() {
    writeFileSync(results, JSON.stringify(specs));
    exit(0);
  },
});
setImmediate(() => void env.execute()); // the specs are declared after this module
