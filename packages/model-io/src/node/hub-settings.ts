import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where the hub is, where its cache is, and who asks. */
export interface HubSettings {
  /** Base address without a slash at the end. */
  hubUrl: string;
  /** The folder that holds `models--org--name` folders. */
  cacheDir: string;
  accessToken: string | undefined;
  /** Use the cache alone, never the network. */
  offline: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Completes settings from the environment, by the same variables as Python's `huggingface_hub`:
 * HF_ENDPOINT; HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME; HF_TOKEN,
 * HUGGING_FACE_HUB_TOKEN, then the file HF_TOKEN_PATH or `token` in HF_HOME; HF_HUB_OFFLINE and
 * TRANSFORMERS_OFFLINE.
 */
export async function hubSettings(
  given: Partial<HubSettings> = {},
  env: Environment = process.env,
): Promise<HubSettings> {
  const home = expandHome(env.HF_HOME ?? join(env.XDG_CACHE_HOME ?? "~/.cache", "huggingface"));
  const cacheDir = given.cacheDir ?? env.HF_HUB_CACHE ?? env.HUGGINGFACE_HUB_CACHE ?? join(home, "hub");
  const tokenPath = expandHome(env.HF_TOKEN_PATH ?? join(home, "token"));
  const accessToken =
    given.accessToken ??
    clean(env.HF_TOKEN) ??
    clean(env.HUGGING_FACE_HUB_TOKEN) ??
    clean(await readFile(tokenPath, "utf8").catch(() => undefined));
  return {
    hubUrl: (given.hubUrl ?? env.HF_ENDPOINT ?? "https://huggingface.co").replace(/\/+$/, ""),
    cacheDir: expandHome(cacheDir),
    accessToken,
    offline: given.offline ?? (isTrue(env.HF_HUB_OFFLINE) || isTrue(env.TRANSFORMERS_OFFLINE)),
  };
}

function clean(token: string | undefined): string | undefined {
  const trimmed = token?.trim();
  return trimmed === "" ? undefined : trimmed;
}

function isTrue(value: string | undefined): boolean {
  return ["1", "ON", "YES", "TRUE"].includes(value?.toUpperCase() ?? "");
}

function expandHome(path: string): string {
  return path.replace(/^~(?=$|[/\\])/, homedir());
}
