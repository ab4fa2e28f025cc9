import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  definePlugin,
  EXTENSION_POINTS,
  Host,
  isPlugin,
  type ExtensionPoint,
  type Plugin,
  type RegistryEntry,
} from "@sdmprune/core";
import { importancePlugin } from "@sdmprune/importance";
import { tf } from "@sdmprune/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { activateCpuBackend } from "./activate-backend.js";
import {
  allNeurons,
  runMethodOnTinyLlama,
  runPrunedTinyLlama,
  scoreTinyLlama,
  tinyShape,
} from "./prune-tiny-llama.js";

export interface PluginContractOptions {
  /** Folder of the package whose plugin it is, for what concerns package.json and README.md. */
  readonly folder?: string;
}

/**
 * Describes what every plugin must hold to, as vitest tests: names, descriptions, options, and for each criterion,
 * method, allocation, model family and backend that it does its work on a tiny model.
 */
export function describePluginContract(plugin: Plugin, { folder }: PluginContractOptions = {}): void {
  const registered = Object.keys(EXTENSION_POINTS).flatMap((key) => {
    const point = key as ExtensionPoint;
    return new Host()
      .use(plugin)
      .registry(point)
      .entries()
      .map((entry) => ({ point, entry }));
  });

  describe(`plugin ${plugin.name}`, () => {
    beforeAll(activateCpuBackend);

    it("is made by definePlugin and registers something", () => {
      expect(isPlugin(plugin)).toBe(true);
      expect(registered).not.toEqual([]);
    });

    it("can be registered once; another plugin with its names is refused with both origins", () => {
      const host = new Host().use(plugin);
      expect(() => host.use(plugin)).toThrow("is already registered");
      const twin = definePlugin({ name: "twin", register: (registries) => plugin.register(registries) });
      expect(() => host.use(twin)).toThrow(
        new RegExp(`already registered by plugin "${plugin.name}"; plugin "twin"`),
      );
    });

    it.runIf(folder)("bears the name of its package, whose README has an example", () => {
      const read = (name: string): string => readFileSync(join(folder!, name), "utf8");
      expect(JSON.parse(read("package.json"))).toMatchObject({ name: plugin.name });
      expect(read("README.md")).toMatch(/^```ts\n/m);
    });

    for (const { point, entry } of registered) {
      describe(`${point} ${entry.name}`, () => {
        it("has a description; so has each option, and a default", () => {
          expect(entry.description ?? "").toMatch(/^[A-Z].{10,}/);
          for (const [name, field] of Object.entries(fieldsOf(entry))) {
            expect(field.description, `description of ${name}`).toMatch(/^[\dA-Z].*\.$/);
            expect(field.safeParse(undefined).success, `default of ${name}`).toBe(true);
          }
        });
        CHECKS[point]?.(plugin, entry.name);
      });
    }
  });
}

interface OptionField {
  readonly description?: string;
  safeParse(value: unknown): { success: boolean };
}

function fieldsOf({ options }: RegistryEntry<unknown>): Record<string, OptionField> {
  return (options as { shape?: Record<string, OptionField> } | undefined)?.shape ?? {};
}

const CHECKS: Partial<Record<ExtensionPoint, (plugin: Plugin, name: string) => void>> = {
  importance: checkImportance,
  method: checkMethod,
  allocation: checkAllocation,
  model: checkModel,
  backend: checkBackend,
};

/** The width that the tiny model is cut to. */
const WIDTH = 10;

function checkImportance(plugin: Plugin, name: string): void {
  const { importances } = new Host().use(plugin).registries;

  it("gives every neuron a finite score, the same ones twice, and leaks no tensor", async () => {
    const before = tf.memory().numTensors;
    const scores = await scoreTinyLlama(await importances.create(name));
    expect(scores.map(({ length }) => length)).toEqual(tinyShape().widths);
    for (const layer of scores) expect(layer.every(Number.isFinite)).toBe(true);
    expect(await scoreTinyLlama(await importances.create(name))).toEqual(scores);
    expect(tf.memory().numTensors).toBe(before);
  });

  it("scores a student that has lost neurons", async () => {
    const kept = allNeurons().map((neurons) => neurons.filter((n) => n % 3 > 0));
    const scores = await scoreTinyLlama(await importances.create(name), kept);
    expect(scores.map(({ length }) => length)).toEqual(kept.map(({ length }) => length));
  });
}

function checkMethod(plugin: Plugin, name: string): void {
  it("prunes a model that still runs after it was written and read back, and leaks no tensor", async () => {
    const host = new Host().use(importancePlugin);
    const { registries } = plugin === importancePlugin ? host : host.use(plugin);
    const before = tf.memory().numTensors;
    const { kept, edits } = await runMethodOnTinyLlama(
      await registries.methods.create(name),
      registries,
      WIDTH,
    );
    expect(kept.map(({ length }) => length)).toEqual(tinyShape().widths.map(() => WIDTH));
    for (const neurons of kept) expect([...neurons]).toEqual([...new Set(neurons)].sort((a, b) => a - b));
    const { widths, hidden } = await runPrunedTinyLlama(kept, edits);
    expect(widths).toEqual(tinyShape().widths.map(() => WIDTH));
    expect(hidden.every(Number.isFinite)).toBe(true);
    expect(tf.memory().numTensors).toBe(before);
  });
}

function checkAllocation(plugin: Plugin, name: string): void {
  it("stays within the budget and leaves every layer neurons, twice the same", async () => {
    const allocation = await new Host().use(plugin).registries.allocations.create(name);
    const scores = tinyShape().widths.map((width, layer) =>
      Float64Array.from({ length: width }, (_, n) => (n + 1) * (layer + 1)),
    );
    const widths = allocation.allocate({ scores, width: WIDTH, roundTo: 2 });
    expect(widths).toHaveLength(scores.length);
    expect(widths.reduce((a, b) => a + b)).toBeLessThanOrEqual(WIDTH * scores.length);
    for (const [layer, width] of widths.entries()) {
      expect(width).toBeGreaterThan(0);
      expect(width).toBeLessThanOrEqual(scores[layer]!.length);
    }
    expect(allocation.allocate({ scores, width: WIDTH, roundTo: 2 })).toEqual(widths);
  });
}

function checkModel(plugin: Plugin, name: string): void {
  it("is registered under its model_type", async () => {
    const family = await new Host().use(plugin).registries.models.create(name);
    expect(family.modelType).toBe(name);
  });
}

function checkBackend(plugin: Plugin, name: string): void {
  it("bears its name in tfjs and says whether it can run", async () => {
    const backend = await new Host().use(plugin).registries.backends.create(name);
    expect(backend.name).toBe(name);
    const availability = await backend.isAvailable();
    if (!availability.available) {
      expect(availability.reason).toMatch(/[^.]$/);
      return;
    }
    await backend.activate();
    expect(tf.getBackend()).toBe(name);
    const product = tf.tidy(() => tf.matMul(tf.tensor2d([[1, 2], [3, 4]]), tf.tensor2d([[5], [6]]))); // prettier-ignore
    expect([...(await product.data())]).toEqual([17, 39]);
    product.dispose();
    await activateCpuBackend();
  });
}
