import { describe, expect, it } from "vitest";
import { InterruptedError, PluginError, RegistryError } from "./errors.js";
import { EXTENSION_POINTS, Host } from "./host.js";
import { definePlugin } from "./plugin.js";
import type { ProgressEvent } from "./progress.js";
import { TOKENS } from "./tokens.js";

const plugin = definePlugin({
  name: "two-things",
  register({ importances, methods }) {
    importances.register("height", () => ({ needs: {} }));
    methods.register("height", () => ({}) as never);
  },
});

describe("Host", () => {
  it("has an empty registry for every extension point", () => {
    const { registries } = new Host();
    expect(Object.keys(registries)).toEqual(Object.values(EXTENSION_POINTS));
    expect(Object.values(registries).flatMap((registry) => registry.names())).toEqual([]);
    expect(registries.importances.extensionPoint).toBe("importance");
  });

  it("registers a plugin's extensions under its name", () => {
    const host = new Host().use(plugin);
    expect(host.plugins).toEqual(["two-things"]);
    expect(host.registries.importances.entry("height").origin).toBe('plugin "two-things"');
    expect(host.registries.methods.entry("height").origin).toBe('plugin "two-things"');
  });

  it("finds a registry by its singular or plural name", () => {
    const host = new Host();
    expect(host.registry("importance")).toBe(host.registries.importances);
    expect(host.registry("importances")).toBe(host.registries.importances);
    expect(() => host.registry("criterion")).toThrow(
      new RegistryError(
        'Unknown extension point "criterion". Available: backend, model, importance, allocation, method, task, dataset, reporter, language-model.',
      ),
    );
    expect(() => host.registry("constructor")).toThrow('Unknown extension point "constructor"');
  });

  it("refuses what is no plugin and what it has already", () => {
    expect(() => new Host().use({ name: "x", register() {} })).toThrow("expected the result of definePlugin");
    expect(() => new Host().use(plugin).use(plugin)).toThrow('Plugin "two-things" is already registered.');
  });

  it("wraps a failing register with the plugin's name, keeps the cause, and keeps nothing of the plugin", () => {
    const cause = new TypeError("bad\nluck");
    const failing = definePlugin({
      name: "failing",
      register({ tasks, methods }) {
        tasks.register("t", () => ({}) as never);
        methods.register("m", () => ({}) as never);
        throw cause;
      },
    });
    const host = new Host();
    let thrown: unknown;
    try {
      host.use(failing);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(PluginError);
    expect(thrown).toMatchObject({ message: 'Plugin "failing" failed to register: bad luck', cause });
    expect(host.plugins).toEqual([]);
    expect([host.registries.tasks.has("t"), host.registries.methods.has("m")]).toEqual([false, false]);
  });

  it("shows both plugins when they want one name", () => {
    const other = definePlugin({
      name: "other",
      register: ({ importances }) => importances.register("height", () => ({}) as never),
    });
    expect(() => new Host().use(plugin).use(other)).toThrow(
      'Plugin "other" failed to register: importance "height" is already registered by plugin "two-things"; plugin "other" cannot register it again. Rename one of them.',
    );
  });

  it("refuses a register that waits, since what comes later would be nobody's", () => {
    const waiting = definePlugin({ name: "waiting", register: (): void => Promise.resolve() as never });
    expect(() => new Host().use(waiting)).toThrow("register() must be synchronous");
  });

  it("closes the registries when a run starts", () => {
    const host = new Host();
    host.createRun();
    expect(() => host.use(plugin)).toThrow(
      'Plugin "two-things" failed to register: importance "height": registration is closed',
    );
  });
});

describe("Run", () => {
  it("gets its services injected: progress, signal, seed, the host and its container", () => {
    const events: ProgressEvent[] = [];
    const { signal } = new AbortController();
    const host = new Host();
    const run = host.createRun({ progress: (event) => events.push(event), signal, seed: 7 });
    run.progress({ type: "info", message: "hello" });
    expect(events).toEqual([{ type: "info", message: "hello" }]);
    expect(run).toMatchObject({ host, signal, seed: 7, registries: host.registries });
    expect(run.services.resolve(TOKENS.seed)).toBe(7);
  });

  it("keeps the services of two runs apart", () => {
    const host = new Host();
    const [a, b] = [host.createRun({ seed: 1 }), host.createRun({ seed: 2 })];
    expect([a.services.resolve(TOKENS.seed), b.services.resolve(TOKENS.seed)]).toEqual([1, 2]);
    a.services.registerInstance(TOKENS.backend, "backend of a");
    expect(b.services.isRegistered(TOKENS.backend)).toBe(false);
  });

  it("draws the same numbers for the same seed and label", () => {
    const host = new Host();
    const draw = (seed: number, label: string): number => host.createRun({ seed }).rng(label).uniform();
    expect(draw(3, "a")).toBe(draw(3, "a"));
    expect(new Set([draw(3, "a"), draw(3, "b"), draw(4, "a")]).size).toBe(3);
  });

  it("throws an InterruptedError once its signal is aborted", () => {
    const controller = new AbortController();
    const run = new Host().createRun({ signal: controller.signal });
    expect(() => run.throwIfInterrupted()).not.toThrow();
    controller.abort();
    expect(() => run.throwIfInterrupted()).toThrow(new InterruptedError("Interrupted."));
  });

  it("disposes its services, once", async () => {
    const run = new Host().createRun();
    let disposals = 0;
    const token = Symbol("service");
    run.services.registerService(
      token,
      () => ({}),
      () => void disposals++,
    );
    run.services.resolve(token);
    await run.dispose();
    await run.dispose();
    expect(disposals).toBe(1);
  });
});
