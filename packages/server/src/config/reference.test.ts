import { join } from "node:path";
import { expect, test } from "vitest";
import { configReference } from "./reference.ts";

const PAGE = join(import.meta.dirname, "../../../../docs/reference/config.md");

test("the reference says what the code reads", async () => {
  await expect(configReference()).toMatchFileSnapshot(PAGE);
});

test("every link leads to a heading", () => {
  const page = configReference();
  const headings = new Set(
    [...page.matchAll(/^#+ (.+)$/gm)].map(([, title]) => title!.toLowerCase().replaceAll(/[^\w-]/g, "")),
  );
  const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor!);
  expect(links.length).toBeGreaterThan(20);
  expect(links.filter((anchor) => !headings.has(anchor))).toEqual([]);
});
