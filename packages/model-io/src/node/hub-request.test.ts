import { expect, it } from "vitest";
import { hubFetch, withRetries } from "./hub-request.js";
import type { HubSettings } from "./hub-settings.js";

const settings: HubSettings = {
  hubUrl: "https://hub.example/sub",
  cacheDir: "cache",
  accessToken: "secret",
  offline: false,
};

it("sends the token to the hub and to nobody else, and keeps the caller's headers", async () => {
  const seen: [string, string | null, string | null][] = [];
  const request = hubFetch(settings, async (input, init) => {
    const headers = new Headers(init?.headers);
    seen.push([
      input instanceof Request ? input.url : String(input),
      headers.get("authorization"),
      headers.get("range"),
    ]);
    return new Response("");
  });
  await request("https://hub.example/file", { headers: { Range: "bytes=0-0" } });
  await request(new URL("https://cdn.example/file"));
  await request("https://hub.example.evil/file");
  expect(seen).toEqual([
    ["https://hub.example/file", "Bearer secret", "bytes=0-0"],
    ["https://cdn.example/file", null, null],
    ["https://hub.example.evil/file", null, null],
  ]);
});

it("tries four times, and not at all after a full disk", async () => {
  let tries = 0;
  const failing = (error: unknown) =>
    withRetries(() => Promise.reject((tries++, error) as Error), "org/x", settings, { delayMs: 1 });
  await expect(failing(new TypeError("fetch failed"))).rejects.toThrow("org/x: expected an answer from");
  expect(tries).toBe(4);
  tries = 0;
  const full = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  await expect(failing(full)).rejects.toThrow("org/x: ENOSPC: no space left on device, write.");
  expect(tries).toBe(1);
});
