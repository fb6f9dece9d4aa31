/** A headless Chromium that talks to nobody, and what it saw of a file. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { onTestFinished } from "vitest";

/** With a new profile, which Playwright removes when the browser is closed. */
export function openBrowser(): Promise<Browser> {
  const executablePath = (process.env["PATH"] ?? "").split(delimiter).map((folder) => join(folder, "chromium")).find(existsSync);
  if (executablePath === undefined) throw new Error("chromium is not in PATH");
  return chromium.launch({ executablePath, headless: true, args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"] });
}

export interface View {
  readonly width: number;
  readonly height: number;
  readonly scheme: "light" | "dark";
  readonly media?: "screen" | "print";
}

export interface OpenedPage {
  readonly page: Page;
  readonly url: string;
  /** Every address that was asked for, in order. */
  readonly requests: readonly string[];
  /** What the console said and what was thrown; a refusal by the page's own policy is among it. */
  readonly complaints: readonly string[];
}

/** Opens a page from a file of its own; both are gone after the test. */
export async function openFile(browser: Browser, name: string, content: string, view: View): Promise<OpenedPage> {
  const folder = await mkdtemp(join(tmpdir(), "holdfast-page-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, name);
  await writeFile(file, content);
  const page = await browser.newPage({ viewport: { width: view.width, height: view.height }, colorScheme: view.scheme });
  onTestFinished(() => page.close());
  const requests: string[] = [];
  const complaints: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("dialog", (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  if (view.media !== undefined) await page.emulateMedia({ media: view.media, colorScheme: view.scheme });
  const url = pathToFileURL(file).href;
  await page.goto(url, { waitUntil: "load" });
  return { page, url, requests, complaints };
}
