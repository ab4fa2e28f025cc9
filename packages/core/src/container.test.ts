import { describe, expect, it } from "vitest";
import { inject, injectable, ServiceContainer } from "./container.js";

const NAME = Symbol("name");
const GREETER = Symbol("greeter");

@injectable()
class Greeter {
  isDisposed = false;
  constructor(@inject(NAME) readonly name: string) {}
  dispose(): void {
    this.isDisposed = true;
  }
}

describe("ServiceContainer", () => {
  it("injects by explicit token, one instance per container", () => {
    const services = new ServiceContainer();
    services.registerInstance(NAME, "Ada");
    services.registerClass(GREETER, Greeter);
    const greeter = services.resolve<Greeter>(GREETER);
    expect(greeter.name).toBe("Ada");
    expect(services.resolve(GREETER)).toBe(greeter);
  });

  it("shares nothing with another container", () => {
    const [a, b] = [new ServiceContainer(), new ServiceContainer()];
    a.registerInstance(NAME, "a");
    b.registerInstance(NAME, "b");
    for (const services of [a, b]) services.registerClass(GREETER, Greeter);
    expect([a, b].map((services) => services.resolve<Greeter>(GREETER).name)).toEqual(["a", "b"]);
  });

  it("makes a service on first use and then keeps it", () => {
    let made = 0;
    const services = new ServiceContainer();
    services.registerInstance(NAME, "Ada");
    services.registerService(GREETER, (own) => `hello ${own.resolve<string>(NAME)} ${++made}`);
    expect(made).toBe(0);
    expect([services.resolve(GREETER), services.resolve(GREETER)]).toEqual(["hello Ada 1", "hello Ada 1"]);
  });

  it("refuses a token that is taken", () => {
    const services = new ServiceContainer();
    services.registerInstance(NAME, "Ada");
    const message = "A service is already registered under Symbol(name).";
    expect(() => services.registerInstance(NAME, "Bob")).toThrow(message);
    expect(() => services.registerService(NAME, () => "Bob")).toThrow(message);
    expect(() => services.registerClass(NAME, Greeter)).toThrow(message);
  });

  it("disposes what was made, last made first, and leaves alone what was never used", async () => {
    const log: string[] = [];
    const services = new ServiceContainer();
    const tokens = ["a", "b", "unused"].map((name) => {
      const token = Symbol(name);
      services.registerService(
        token,
        () => name,
        async (service) => void log.push(service),
      );
      return token;
    });
    services.registerInstance(NAME, "Ada");
    services.registerClass(GREETER, Greeter);
    const greeter = services.resolve<Greeter>(GREETER);
    services.resolve(tokens[1]!);
    services.resolve(tokens[0]!);
    await services.dispose();
    expect(log).toEqual(["a", "b"]);
    expect(greeter.isDisposed).toBe(true);
    expect(() => services.resolve(NAME)).toThrow(/disposed/);
  });

  it("runs every disposer even if one throws, and then throws its error", async () => {
    let isDisposed = false;
    const services = new ServiceContainer();
    const [good, bad] = [Symbol("good"), Symbol("bad")];
    services.registerService(
      good,
      () => 1,
      () => void (isDisposed = true),
    );
    services.registerService(
      bad,
      () => 2,
      () => {
        throw new Error("stuck");
      },
    );
    services.resolve(good);
    services.resolve(bad);
    await expect(services.dispose()).rejects.toThrow("stuck");
    expect(isDisposed).toBe(true);
  });
});
