import { EXTENSION_POINTS, type Registry } from "@sdmprune/core";
import type { Command } from "commander";
import { printResult, type GlobalOptions, type Terminal } from "../command-context.js";
import { createHost } from "../create-host.js";
import { formatTable } from "../format-table.js";
import { addGlobalOptions } from "../model-options.js";

export function addListCommand(program: Command, terminal: Terminal): void {
  const command = program
    .command("ls")
    .description("List what is registered at an extension point.")
    .argument("[extension point]", `one of ${Object.keys(EXTENSION_POINTS).join(", ")} (default: all)`);
  addGlobalOptions(command).action(async (point: string | undefined, flags: GlobalOptions) => {
    const host = await createHost(flags.plugin);
    const registries =
      point === undefined
        ? Object.keys(EXTENSION_POINTS).map((p) => host.registry(p))
        : [host.registry(point)];
    const entries = registries.flatMap(entriesOf);
    printResult(terminal, flags, entries, () =>
      formatTable(
        ["point", "name", "from", "description"],
        entries.map(({ extensionPoint, name, origin, description }) => [
          extensionPoint,
          name,
          origin,
          description,
        ]),
      ),
    );
  });
}

interface ListedEntry {
  readonly extensionPoint: string;
  readonly name: string;
  readonly aliases: readonly string[];
  readonly origin: string;
  readonly description: string;
  readonly options: readonly { readonly name: string; readonly description: string }[];
}

function entriesOf(registry: Registry<unknown>): ListedEntry[] {
  return registry.entries().map(({ name, aliases = [], origin, description = "", options }) => {
    const shape = (options as { shape?: Record<string, { description?: string }> } | undefined)?.shape ?? {};
    const described = Object.entries(shape).map(([key, field]) => ({
      name: key,
      description: field.description ?? "",
    }));
    return {
      extensionPoint: registry.extensionPoint,
      name,
      aliases,
      origin,
      description,
      options: described,
    };
  });
}
