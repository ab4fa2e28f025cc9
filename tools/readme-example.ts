import { readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * The example that a package's README opens with: its first ```ts block.
 *
 * @throws If there is no README.md or no such block in it.
 */
export async function readmeExample(packageFolder: string): Promise<string> {
  const markdown = await readFile(join(packageFolder, "README.md"), "utf8");
  const block = /^```ts\n([\s\S]*?)^```$/m.exec(markdown)?.[1];
  if (block === undefined)
    throw new Error(`${packageFolder}/README.md: expected a \`\`\`ts block, got none.`);
  return block;
}
