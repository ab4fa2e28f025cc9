import "reflect-metadata"; // tsyringe refuses to load without a Reflect polyfill
import { container as root, inject, injectable, Lifecycle, type DependencyContainer } from "tsyringe";
import { UsageError } from "./errors.js";

export { inject, injectable };

/** The services of one run, by symbol. A thin wrapper, so that plugins never meet the DI library. */
export class ServiceContainer {
  readonly #container: DependencyContainer;
  readonly #disposers: (() => void | Promise<void>)[] = [];
  #isDisposed = false;

  constructor(container: DependencyContainer = root.createChildContainer()) {
    this.#container = container;
  }

  /** @throws {UsageError} If the token is taken. */
  registerInstance<T>(token: symbol, instance: T): void {
    this.#assertFree(token);
    this.#container.register(token, { useValue: instance });
  }

  /** Registers a service made on first use and kept for the run. `dispose`, if given, runs when the run ends. */
  registerService<T>(
    token: symbol,
    create: (services: ServiceContainer) => T,
    dispose?: (service: T) => void | Promise<void>,
  ): void {
    this.#assertFree(token);
    let made: { service: T } | undefined;
    this.#container.register(token, {
      useFactory: () => {
        if (!made) {
          const service = create(this);
          made = { service };
          if (dispose) this.#disposers.push(() => dispose(service));
        }
        return made.service;
      },
    });
  }

  /** Registers a class whose constructor parameters all carry `@inject(TOKEN)`. One instance per run. */
  registerClass<T>(token: symbol, type: new (...args: never[]) => T): void {
    this.#assertFree(token);
    this.#container.register(
      token,
      { useClass: type as unknown as new (...args: unknown[]) => T },
      { lifecycle: Lifecycle.ContainerScoped },
    );
  }

  resolve<T>(token: symbol | (new (...args: never[]) => T)): T {
    return this.#container.resolve<T>(token as never);
  }

  isRegistered(token: symbol): boolean {
    return this.#container.isRegistered(token);
  }

  /**
   * Disposes what the services asked to have disposed, last made first, then the instances of registered classes
   * that have a `dispose()`. Nothing can be resolved any more. A second call does nothing.
   *
   * @throws What a disposer throws, after all the others have run.
   */
  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    const failures: unknown[] = [];
    for (const dispose of [...this.#disposers.reverse(), () => this.#container.dispose()]) {
      try {
        await dispose();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length === 1) throw failures[0];
    if (failures.length > 1) throw new AggregateError(failures, "Several services failed to dispose.");
  }

  #assertFree(token: symbol): void {
    if (this.#container.isRegistered(token)) {
      throw new UsageError(`A service is already registered under ${String(token)}.`);
    }
  }
}
