import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { chromium, type Page } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where Chromium is: what `SDMPRUNE_CHROMIUM` says, or a usual place; undefined if there is none.
 * Tests that need it are skipped then, and say so in their title. */
export const chromiumPath: string | undefined = [process.env["SDMPRUNE_CHROMIUM"], ...PLACES].find(
  (path) => path !== undefined && existsSync(path),
);

/** A page as the browser shows it, and what it complained about. */
export interface OpenedPage {
  readonly page: Page;
  /** Errors and warnings of the console, failed requests, and uncaught exceptions. */
  readonly problems: readonly string[];
  /** Requests that left the file: a self-contained page makes none. */
  readonly requests: readonly string[];
}

export interface OpenPageOptions {
  readonly colorScheme?: "light" | "dark";
  readonly width?: number;
  readonly height?: number;
}

/** Opens a file in headless Chromium, offline, runs `body` and closes it. */
export async function withPage<R>(
  file: string,
  body: (opened: OpenedPage) => Promise<R>,
  { colorScheme = "light", width = 1280, height = 900 }: OpenPageOptions = {},
): Promise<R> {
  const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
  flags.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
  const browser = await chromium.launch({ executablePath: chromiumPath!, headless: true, args: flags });
  try {
    const context = await browser.newContext({ colorScheme, offline: true, viewport: { width, height } });
    const page = await context.newPage();
    const problems: string[] = [];
    const requests: string[] = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("requestfailed", (request) => problems.push(`failed: ${request.url()}`));
    page.on("request", (request) => {
      if (!/^(file|data|blob):/.test(request.url())) requests.push(request.url());
    });
    await page.goto(pathToFileURL(file).href);
    return await body({ page, problems, requests });
  } finally {
    await browser.close();
  }
}
