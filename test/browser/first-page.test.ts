// Drives the first page in a real browser, as a person would: it must be alive with nothing configured.
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BelfryProcess, instant, startBelfry, waitFor } from "../support/belfry.ts";

const CHROMIUM = process.env["BELFRY_CHROMIUM"] ?? "/usr/bin/chromium";
const pictures = join(dirname(fileURLToPath(import.meta.url)), "pictures");

describe.skipIf(!existsSync(CHROMIUM))("the first page (needs Chromium)", () => {
  let belfry: BelfryProcess;
  let browser: Browser;
  let page: Page;
  const problems: string[] = [];

  beforeAll(async () => {
    belfry = await startBelfry();
    browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 860 } });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("console", (message) => {
      if (message.type() === "error") problems.push(message.text());
    });
    mkdirSync(pictures, { recursive: true });
    await waitFor(async () =>
      (await instant(belfry.url, "rate(node_cpu_seconds_total[1m])")).length > 0 ? true : undefined,
    );
  }, 120_000);

  afterAll(async () => {
    await browser?.close();
    await belfry?.remove();
  });

  test("draws the CPU of this machine without being asked", async () => {
    await page.goto(belfry.url);
    await page.getByRole("img", { name: /Graph with \d+ series/ }).waitFor();
    await expect.poll(() => page.getByRole("group", { name: "Series" }).getByRole("button").count()).toBeGreaterThan(3);
    await page.screenshot({ path: join(pictures, "query.png") });
  });

  test("runs what is typed, completes metric names and keeps the view in the URL", async () => {
    const editor = page.getByRole("textbox", { name: "PromQL expression" });
    await editor.click();
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("node_memory_MemTot");
    await page
      .getByRole("option", { name: /node_memory_MemTotal_bytes/ })
      .first()
      .waitFor();
    await page.keyboard.press("Escape");
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.type("up");
    await page.keyboard.press("ControlOrMeta+Enter");
    // Completions that arrive late must not cover what is clicked next.
    await editor.blur();
    await page.getByRole("tab", { name: "Table" }).click();
    await page.getByRole("cell", { name: /up\{.*job="belfry"/ }).waitFor();
    expect(new URL(page.url()).searchParams.get("expr")).toBe("up");
    await page.screenshot({ path: join(pictures, "table.png") });
    await page.reload();
    await page.getByRole("cell", { name: /up\{.*job="belfry"/ }).waitFor();
  });

  test("shows an error in the server's words", async () => {
    await page.goto(`${belfry.url}/?expr=${encodeURIComponent("sum(")}`);
    await expect.poll(() => page.getByRole("alert").textContent()).toContain("unclosed left parenthesis");
    problems.length = 0;
  });

  test("lists the targets and the status", async () => {
    await page.goto(belfry.url);
    await page.getByRole("link", { name: "Targets" }).click();
    await page.getByRole("region", { name: "Job node" }).waitFor();
    await page.getByRole("region", { name: "Job belfry" }).getByText("1 / 1 up").waitFor();
    await page.screenshot({ path: join(pictures, "targets.png") });
    await page.getByRole("link", { name: "Status" }).click();
    await page.getByRole("region", { name: "Head" }).getByText("Series").waitFor();
    await page.screenshot({ path: join(pictures, "status.png") });
  });

  test("works at phone width and in dark colours", async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.goto(belfry.url);
    await page.getByRole("img", { name: /Graph with \d+ series/ }).waitFor();
    await page.screenshot({ path: join(pictures, "phone-dark.png") });
    const overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
    expect(overflow).toBe(0);
  });

  test("loads nothing from elsewhere and logs no error", () => {
    expect(problems).toEqual([]);
  });
});
