/** Registers, once per process, the module hooks that let plugins live anywhere. */
export function registerHostHooks(options?: {
  conditions?: string[];
  tsconfig?: string | true;
}): Promise<void>;
