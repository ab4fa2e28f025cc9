import { inject, injectable, ServiceContainer } from "./container.js";
import { errorMessage, InterruptedError, PluginError, RegistryError } from "./errors.js";
import { isPlugin, type Plugin } from "./plugin.js";
import { silentProgress, type ProgressListener } from "./progress.js";
import { Registry } from "./registry.js";
import { Rng } from "./rng.js";
import { TOKENS } from "./tokens.js";

/**
 * What each extension point's registry holds. The packages that own a contract add their type by
 * declaration merging: `declare module "@sdmprune/core" { interface ExtensionTypes { importance: … } }`.
 */
// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- filled by declaration merging
export interface ExtensionTypes {}

type ExtensionOf<Point extends string> = Point extends keyof ExtensionTypes ? ExtensionTypes[Point] : unknown;

/** The extension points, singular word to registry property. */
export const EXTENSION_POINTS = {
  backend: "backends",
  model: "models",
  importance: "importances",
  allocation: "allocations",
  method: "methods",
  task: "tasks",
  dataset: "datasets",
  reporter: "reporters",
  "language-model": "languageModels",
} as const;

export type ExtensionPoint = keyof typeof EXTENSION_POINTS;

/** One registry per extension point: all that a plugin sees. */
export type Registries = {
  readonly [P in ExtensionPoint as (typeof EXTENSION_POINTS)[P]]: Registry<ExtensionOf<P>>;
};

/**
 * Holds the registries, registers plugins into them, and opens runs. Plugins are registered in the
 * order given; the first run freezes the registries.
 */
export class Host {
  readonly registries: Registries;
  readonly #plugins = new Set<string>();

  constructor() {
    const entries = Object.entries(EXTENSION_POINTS).map(([point, key]) => [key, new Registry(point)]);
    this.registries = Object.fromEntries(entries) as Registries;
  }

  /** Names of the registered plugins, in order. */
  get plugins(): readonly string[] {
    return [...this.#plugins];
  }

  /**
   * Registers a plugin. If it fails, nothing of it stays registered.
   *
   * @throws {PluginError} If it is no plugin, is registered already, or its `register` fails (with the cause).
   */
  use(plugin: Plugin): this {
    if (!isPlugin(plugin)) {
      throw new PluginError(
        "Host.use: expected the result of definePlugin({ name, register }). Export it as default.",
      );
    }
    if (this.#plugins.has(plugin.name)) {
      throw new PluginError(`Plugin "${plugin.name}" is already registered.`);
    }
    try {
      Object.values(this.registries).reduceRight(
        (next: () => void, registry) => () =>
          (registry as Registry<unknown>).withOrigin(`plugin "${plugin.name}"`, next),
        () => {
          const result: unknown = plugin.register(this.registries);
          if (result instanceof Promise) {
            void result.catch(() => {}); // the error below is the one to see
            throw new PluginError(
              "register() must be synchronous; load code lazily in the factories it registers.",
            );
          }
        },
      )();
    } catch (cause) {
      throw new PluginError(`Plugin "${plugin.name}" failed to register: ${errorMessage(cause)}`, { cause });
    }
    this.#plugins.add(plugin.name);
    return this;
  }

  /** The registry of an extension point, by its singular or plural name. */
  registry(point: string): Registry<unknown> {
    const key = EXTENSION_POINTS[point as ExtensionPoint] ?? point;
    const registry = (this.registries as unknown as Record<string, Registry<unknown> | undefined>)[key];
    if (!registry) {
      throw new RegistryError(
        `Unknown extension point "${point}". Available: ${Object.keys(EXTENSION_POINTS).join(", ")}.`,
      );
    }
    return registry;
  }

  /** Opens a run: its own child container with progress, abort signal and seed. The caller disposes it. */
  createRun({ progress = silentProgress, signal, seed = 0 }: RunOptions = {}): Run {
    for (const registry of Object.values(this.registries)) (registry as Registry<unknown>).freeze();
    const services = new ServiceContainer();
    services.registerInstance(TOKENS.progress, progress);
    services.registerInstance(TOKENS.signal, signal ?? new AbortController().signal);
    services.registerInstance(TOKENS.seed, seed);
    services.registerInstance(HOST, this);
    services.registerInstance(SERVICES, services);
    return services.resolve<Run>(Run);
  }
}

const HOST = Symbol.for("@sdmprune/core/host");
const SERVICES = Symbol.for("@sdmprune/core/services");

export interface RunOptions {
  progress?: ProgressListener;
  signal?: AbortSignal;
  seed?: number;
}

/** One run of a recipe: the registries, frozen, and the services that live as long as it does. */
@injectable()
export class Run {
  constructor(
    @inject(HOST) readonly host: Host,
    @inject(SERVICES) readonly services: ServiceContainer,
    @inject(TOKENS.progress) readonly progress: ProgressListener,
    @inject(TOKENS.signal) readonly signal: AbortSignal,
    @inject(TOKENS.seed) readonly seed: number,
  ) {}

  get registries(): Registries {
    return this.host.registries;
  }

  /** An independent random stream of the run's seed. */
  rng(label: string): Rng {
    return new Rng(this.seed, label);
  }

  /** @throws {InterruptedError} If the run was interrupted. Long loops call this between steps. */
  throwIfInterrupted(): void {
    if (this.signal.aborted) throw new InterruptedError("Interrupted.");
  }

  async dispose(): Promise<void> {
    await this.services.dispose();
  }
}
