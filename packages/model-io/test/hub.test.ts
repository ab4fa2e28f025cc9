import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, readlink, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProgressEvent } from "@sdmprune/core";
import { planShards, serializeSafetensors } from "@sdmprune/model-io";
import {
  downloadCheckpoint,
  downloadRepo,
  hubSettings,
  openCheckpoint,
  resolveModel,
} from "@sdmprune/model-io/node";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { type HubServer, type HubServerOptions, type ServedRepo, startHubServer } from "./hub-server.js";
import { temporaryFolder } from "./temporary-folder.js";
import { SIDE_FILES, TINY_CONFIG, tinyTensors } from "./tiny-checkpoint.js";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The files of a sharded checkpoint with everything that repositories hold beside. */
async function repoFiles(): Promise<Record<string, Uint8Array>> {
  const { files, index } = planShards(tinyTensors(), 700);
  const entries: [string, Uint8Array][] = [
    ["config.json", utf8(TINY_CONFIG)],
    ["model.safetensors.index.json", utf8(index!)],
  ];
  for (const { name, tensors } of files) entries.push([name, await serializeSafetensors(tensors)]);
  for (const [name, text] of Object.entries(SIDE_FILES)) entries.push([name, utf8(text)]);
  entries.push(["original/consolidated.safetensors", utf8("no")], ["empty.json", new Uint8Array(0)]);
  return Object.fromEntries(entries);
}

const openServers: HubServer[] = [];
async function serve(repos: ServedRepo[], options?: HubServerOptions): Promise<HubServer> {
  const server = await startHubServer(repos, { lfsBytes: 500, ...options });
  openServers.push(server);
  return server;
}

describe("the hub client", () => {
  let files: Record<string, Uint8Array>;
  const written = vi.spyOn(process.stdout, "write");
  const tiny = (): ServedRepo => ({ type: "model", name: "org/tiny", files, refs: ["v1.0", "refs/pr/1"] });

  beforeAll(async () => {
    files = await repoFiles();
  });
  beforeEach(() => {
    for (const name of ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]) {
      vi.stubEnv(name, undefined);
    }
    vi.stubEnv("HF_TOKEN_PATH", "/nonexistent/token");
  });
  afterEach(() => vi.unstubAllEnvs());
  afterAll(async () => {
    written.mockRestore();
    await Promise.allSettled(openServers.map((server) => server.close()));
  });

  it("downloads a checkpoint into the common cache: safetensors, config, tokenizer, nothing else", async () => {
    const cacheDir = await temporaryFolder();
    const server = await serve([tiny()], { pageSize: 3 });
    const events: ProgressEvent[] = [];
    const dir = await downloadCheckpoint({
      repo: "org/tiny",
      hubUrl: server.url,
      cacheDir,
      progress: (event) => events.push(event),
    });
    const commit = server.commitOf("org/tiny");
    const storage = join(cacheDir, "models--org--tiny");
    expect(dir).toBe(join(storage, "snapshots", commit));
    expect(await readFile(join(storage, "refs/main"), "utf8")).toBe(commit);
    expect((await readdir(dir)).sort()).toEqual([
      "LICENSE.txt", "USE_POLICY.md", "chat_template.jinja", "config.json", "generation_config.json",
      "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors", "model-00003-of-00003.safetensors",
      "model.safetensors.index.json", "modeling_custom.py", "special_tokens_map.json", "tokenizer.json",
      "tokenizer_config.json",
    ]); // prettier-ignore
    expect((await lstat(join(dir, "config.json"))).isSymbolicLink()).toBe(true);
    expect(await readlink(join(dir, "config.json"))).toMatch(/^\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect(await realpath(join(dir, "model-00001-of-00003.safetensors"))).toMatch(/blobs\/[0-9a-f]{64}$/);
    expect((await readdir(join(storage, "blobs"))).filter((name) => name.includes("."))).toEqual([]);

    const checkpoint = await openCheckpoint(dir);
    for (const { name, data } of tinyTensors()) {
      expect(Buffer.from(await checkpoint.read(name)).equals(await data()), name).toBe(true);
    }
    const advances = events.filter((event) => event.type === "advance");
    const last = advances.at(-1)!;
    expect(last.done).toBe(last.total);
    expect(written.mock.calls.filter(([text]) => String(text).includes("Downloading"))).toEqual([]);
  });

  it("asks for no file twice, and works offline from the cache by branch, tag and commit", async () => {
    const cacheDir = await temporaryFolder();
    const server = await serve([tiny()]);
    const options = { repo: "org/tiny", hubUrl: server.url, cacheDir };
    const dir = await downloadCheckpoint(options);
    await downloadCheckpoint({ ...options, revision: "v1.0" });
    const before = server.requests.length;
    expect(await downloadCheckpoint({ ...options, revision: "refs/pr/1" })).toBe(dir);
    expect(server.requests.slice(before).filter((request) => /resolve|lfs/.test(request))).toEqual([]);

    const offline = { ...options, offline: true, hubUrl: "http://127.0.0.1:1" };
    for (const revision of ["main", "v1.0", "refs/pr/1", server.commitOf("org/tiny")]) {
      expect(await downloadCheckpoint({ ...offline, revision })).toBe(dir);
    }
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    await expect(downloadCheckpoint({ ...options, revision: "other" })).rejects.toThrow(
      `org/tiny@other: expected it in the cache (${cacheDir}), as HF_HUB_OFFLINE is set, got nothing.`,
    );
  });

  it("falls back to the cache with a warning when the hub cannot be reached", async () => {
    const cacheDir = await temporaryFolder();
    const server = await serve([tiny()]);
    const dir = await downloadCheckpoint({ repo: "org/tiny", hubUrl: server.url, cacheDir });
    await server.close();
    const events: ProgressEvent[] = [];
    const unreachable = { hubUrl: server.url, cacheDir, retryDelayMs: 1 };
    const progress = (event: ProgressEvent) => void events.push(event);
    expect(await downloadCheckpoint({ repo: "org/tiny", ...unreachable, progress })).toBe(dir);
    expect(events).toEqual([
      { type: "warning", message: expect.stringMatching(/ECONNREFUSED.*Using the cached copy\.$/) as string },
    ]);
    await expect(downloadCheckpoint({ repo: "org/other", ...unreachable })).rejects.toThrow(
      /^org\/other: expected an answer from http:\/\/127\.0\.0\.1:\d+, got: .*ECONNREFUSED.*\. Check the network, or work from the cache with HF_HUB_OFFLINE=1\.$/,
    );
  });

  it("goes on with a broken transfer where it stopped", async () => {
    const cacheDir = await temporaryFolder();
    const counts = new Map<string, number>();
    const server = await serve([tiny()], {
      fault: (_, url) => {
        const count = (counts.get(url) ?? 0) + 1;
        counts.set(url, count);
        if (url.startsWith("/api/")) return count === 1 ? 503 : undefined;
        return url.startsWith("/lfs/") && count === 2 ? "drop" : undefined; // the first only asks for the size
      },
    });
    const dir = await downloadCheckpoint({ repo: "org/tiny", hubUrl: server.url, cacheDir, retryDelayMs: 1 });
    const checkpoint = await openCheckpoint(dir);
    for (const { name, data } of tinyTensors()) {
      expect(Buffer.from(await checkpoint.read(name)).equals(await data()), name).toBe(true);
    }
    expect(server.requests.filter((request) => /lfs.*bytes=[1-9]/.test(request)).length).toBe(4); // 3 shards, index
  });

  it("takes over what a killed download left, and throws away what does not have the right hash", async () => {
    const cacheDir = await temporaryFolder();
    const server = await serve([tiny()]);
    const options = { repo: "org/tiny", hubUrl: server.url, cacheDir, retryDelayMs: 1 };
    const dir = await downloadCheckpoint(options);
    const shard = "model-00002-of-00003.safetensors";
    const blob = await realpath(join(dir, shard));
    const bytes = await readFile(blob);
    await rm(blob);
    const deadPid = 2 ** 22 - 1;
    await writeFile(`${blob}.${deadPid}.incomplete`, bytes.subarray(0, 100));
    await downloadCheckpoint(options);
    expect((await readFile(blob)).equals(bytes)).toBe(true);

    await rm(blob);
    await writeFile(`${blob}.${deadPid}.incomplete`, "not the beginning of the file");
    await expect(downloadCheckpoint(options)).rejects.toThrow(
      /^org\/tiny\/model-00002-of-00003\.safetensors: expected \d+ bytes with hash [0-9a-f]{64}, got \d+ with [0-9a-f]{64}\. It was thrown away/,
    );
    expect(await readdir(join(cacheDir, "models--org--tiny/blobs"))).not.toContain(
      expect.stringContaining("incomplete"),
    );
    await downloadCheckpoint(options);
    expect((await readFile(blob)).equals(bytes)).toBe(true);
  });

  it("sends the token to the hub and says what to do without one", async () => {
    const cacheDir = await temporaryFolder();
    const server = await serve([{ ...tiny(), token: "secret" }]);
    const options = { repo: "org/tiny", hubUrl: server.url, cacheDir };
    await expect(downloadCheckpoint(options)).rejects.toThrow(
      "org/tiny: expected a public repository, got status 401: it does not exist, or it is private or gated. Check the name, or set HF_TOKEN.",
    );
    await expect(downloadCheckpoint({ ...options, accessToken: "wrong" })).rejects.toThrow(
      "org/tiny: expected access, got status 403: Access to this repository is restricted. Accept the repository's terms",
    );
    vi.stubEnv("HF_TOKEN", " secret\n");
    expect(existsSync(await downloadCheckpoint(options))).toBe(true);
  });

  it("explains an unknown revision, and refuses names that are none", async () => {
    const cacheDir = await temporaryFolder();
    const server = await serve([tiny()]);
    const options = { repo: "org/tiny", hubUrl: server.url, cacheDir };
    await expect(downloadCheckpoint({ ...options, revision: "v9" })).rejects.toThrow(
      `org/tiny@v9: expected it on ${server.url}, got status 404: Invalid rev id: v9. Check the name and the revision.`,
    );
    await expect(downloadCheckpoint({ ...options, revision: "../../x" })).rejects.toThrow(
      "revision: expected a branch",
    );
    for (const repo of ["../x", "a/b/c", "a//b", "-x/y", "a/..", ""]) {
      await expect(downloadCheckpoint({ ...options, repo }), repo).rejects.toThrow("repo: expected a hub id");
    }
  });

  it("refuses a listing whose names lead outside of the cache", async () => {
    const root = await temporaryFolder();
    const server = await serve([
      { type: "model", name: "org/evil", files: { "../../../../evil.json": utf8("{}") } },
    ]);
    const cacheDir = join(root, "cache");
    await expect(
      downloadRepo({ type: "model", repo: "org/evil", hubUrl: server.url, cacheDir }),
    ).rejects.toThrow("expected a listing of plain file names with hashes");
    expect(await readdir(root)).toEqual([]);
  });

  it("says so when a repository has no safetensors, without downloading the rest", async () => {
    const cacheDir = await temporaryFolder();
    const old = { "config.json": utf8("{}"), "pytorch_model.bin": utf8("pickle") };
    const server = await serve([{ type: "model", name: "old", files: old }]);
    await expect(downloadCheckpoint({ repo: "old", hubUrl: server.url, cacheDir })).rejects.toThrow(
      "old: expected model.safetensors or model.safetensors.index.json, got pytorch_model.bin.",
    );
    expect(server.requests.filter((request) => request.includes("resolve"))).toEqual([]);
  });

  it("downloads chosen files of a data set, in folders and empty ones too", async () => {
    const cacheDir = await temporaryFolder();
    const data = {
      "data/train.jsonl": utf8('{"text": "a"}\n'),
      "data/empty.txt": new Uint8Array(0),
      "README.md": utf8("#"),
    };
    const server = await serve([{ type: "dataset", name: "org/texts", files: data }]);
    const dir = await downloadRepo({
      type: "dataset",
      repo: "org/texts",
      hubUrl: server.url,
      cacheDir,
      select: (path) => path.startsWith("data/"),
    });
    expect(dir).toBe(join(cacheDir, "datasets--org--texts/snapshots", server.commitOf("org/texts")));
    expect(await readFile(join(dir, "data/train.jsonl"), "utf8")).toBe('{"text": "a"}\n');
    expect((await readdir(join(dir, "data"))).sort()).toEqual(["empty.txt", "train.jsonl"]);
    expect(await readdir(dir)).toEqual(["data"]);
  });

  it("resolves a folder to itself and a hub id, with or without a revision, to its snapshot", async () => {
    const cacheDir = await temporaryFolder();
    const server = await serve([tiny()]);
    expect(await resolveModel(cacheDir)).toBe(cacheDir);
    const options = { hubUrl: server.url, cacheDir };
    const dir = await resolveModel("org/tiny", options);
    expect(await resolveModel("org/tiny@v1.0", options)).toBe(dir);
    await expect(resolveModel("./missing", options)).rejects.toThrow(
      './missing: expected a checkpoint folder or a hub id such as "org/name", got a path with nothing there.',
    );
    await expect(resolveModel("org/missing", options)).rejects.toThrow(
      /status 401.*\(No folder of that name either\.\)$/,
    );
  });
});

describe("hubSettings", () => {
  it("follows the variables of Python's huggingface_hub", async () => {
    const root = await temporaryFolder();
    await mkdir(join(root, "hf"));
    await writeFile(join(root, "hf/token"), "from-file\n");
    const env = { HF_HOME: join(root, "hf"), HF_ENDPOINT: "https://mirror.example/" };
    expect(await hubSettings({}, env)).toEqual({
      hubUrl: "https://mirror.example",
      cacheDir: join(root, "hf/hub"),
      accessToken: "from-file",
      offline: false,
    });
    expect((await hubSettings({}, { ...env, HUGGING_FACE_HUB_TOKEN: "b" })).accessToken).toBe("b");
    expect((await hubSettings({}, { ...env, HUGGING_FACE_HUB_TOKEN: "b", HF_TOKEN: "a" })).accessToken).toBe(
      "a",
    );
    expect((await hubSettings({}, { ...env, HUGGINGFACE_HUB_CACHE: "/c" })).cacheDir).toBe("/c");
    expect(
      (await hubSettings({}, { ...env, HUGGINGFACE_HUB_CACHE: "/c", HF_HUB_CACHE: "/d" })).cacheDir,
    ).toBe("/d");
    expect((await hubSettings({}, { XDG_CACHE_HOME: "/x" })).cacheDir).toBe("/x/huggingface/hub");
    expect((await hubSettings({}, { TRANSFORMERS_OFFLINE: "yes" })).offline).toBe(true);
    expect((await hubSettings({ offline: false }, { HF_HUB_OFFLINE: "1" })).offline).toBe(false);
  });
});
