import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ManualClock } from "../../metrics/manual-clock.ts";
import { newEnvironment, plainGroups, type Running, start, type TestEnvironment } from "./discovery-fixture.ts";
import { FileDiscoverer } from "./file.ts";

let folder: string;
let env: TestEnvironment;
let sd: Running;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "belfry-file-sd-"));
  env = newEnvironment();
});

afterEach(async () => {
  await sd.stop();
  rmSync(folder, { recursive: true, force: true });
});

const path = (name: string): string => join(folder, name);
const write = (name: string, text: string): void => {
  // As an editor does: the file is never seen half written.
  writeFileSync(path(`${name}.tmp`), text);
  renameSync(path(`${name}.tmp`), path(name));
};
const list = (...targets: string[]): string => JSON.stringify([{ targets }]);
const run = (files: string[], refreshIntervalMs = 300_000): void => {
  sd = start(new FileDiscoverer({ kind: "file", files: files.map(path), refreshIntervalMs }, env));
};
const expectAddresses = (...addresses: string[]): Promise<void> =>
  vi.waitFor(() => expect(sd.addresses()).toEqual(addresses), { timeout: 5000, interval: 10 });

test("labels the groups of every file with its path and names them by it", async () => {
  write(
    "one.json",
    `[{"targets": ["a:1", "b:1"], "labels": {"foo": "bar", "__meta_filepath": "hidden"}}, {"targets": ["c:1"]}]`,
  );
  write("two.yml", "- targets: ['d:1']\n  labels: {foo: baz}\n");
  run(["one.json", "two.yml", "missing.yaml"]);
  await expectAddresses("a:1", "b:1", "c:1", "d:1");
  expect(sd.updates).toBe(1);
  expect(plainGroups(sd.groups.values())).toEqual([
    {
      source: `${path("one.json")}:0`,
      targets: [{ __address__: "a:1" }, { __address__: "b:1" }],
      labels: { foo: "bar", __meta_filepath: path("one.json") },
    },
    {
      source: `${path("one.json")}:1`,
      targets: [{ __address__: "c:1" }],
      labels: { __meta_filepath: path("one.json") },
    },
    {
      source: `${path("two.yml")}:0`,
      targets: [{ __address__: "d:1" }],
      labels: { foo: "baz", __meta_filepath: path("two.yml") },
    },
  ]);
  expect(env.errors).toEqual([]);
});

test("finds files by pattern, also those that come later", async () => {
  write("a.json", list("a:1"));
  write("b.yml", "- targets: [b:1]");
  run(["*.json"]);
  await expectAddresses("a:1");
  write("c.json", list("c:1"));
  await expectAddresses("a:1", "c:1");
});

test("without any file it says so", async () => {
  run(["missing.json", "*.yml"]);
  await vi.waitFor(() => expect(sd.updates).toBe(1));
  expect(sd.addresses()).toEqual([]);
});

test("a file that two patterns match counts once", async () => {
  write("a.json", list("a:1"));
  run(["*.json", "a.json"]);
  await expectAddresses("a:1");
  expect(sd.updates).toBe(1);
});

test("follows changes of a file, in place and by rename", async () => {
  write("a.json", list("a:1"));
  run(["a.json"]);
  await expectAddresses("a:1");
  write("a.json", list("a:2", "a:3"));
  await expectAddresses("a:2", "a:3");
  writeFileSync(path("a.json"), list("a:4"));
  await expectAddresses("a:4");
});

test("groups that a file no longer has lose their targets", async () => {
  write("a.json", `[{"targets": ["a:1"]}, {"targets": ["a:2"]}, {"targets": ["a:3"]}]`);
  run(["a.json"]);
  await expectAddresses("a:1", "a:2", "a:3");
  write("a.json", list("a:1"));
  await expectAddresses("a:1");
  expect([...sd.groups.keys()]).toEqual([`${path("a.json")}:0`]);
});

test("a deleted file loses its targets and its time, a renamed one moves them", async () => {
  write("a.json", list("a:1"));
  write("b.json", list("b:1"));
  utimesSync(path("b.json"), 1_600_000_000, 1_600_000_000.9);
  run(["*.json"]);
  await expectAddresses("a:1", "b:1");
  const time = (name: string): number | undefined =>
    env.metric(`belfry_sd_file_mtime_seconds{filename="${path(name)}"}`);
  expect(time("b.json")).toBe(1_600_000_000);
  rmSync(path("a.json"));
  await expectAddresses("b:1");
  expect(time("a.json")).toBeUndefined();
  renameSync(path("b.json"), path("c.json"));
  await vi.waitFor(() => expect([...sd.groups.keys()]).toEqual([`${path("c.json")}:0`]));
  expect(time("b.json")).toBeUndefined();
  expect(time("c.json")).toBe(1_600_000_000);
});

describe("a file that cannot be used keeps its targets, is counted and told of, until it is whole again", () => {
  test.each([
    ["broken.json", `[{"targets": ["a:9"]`, "unexpected end of JSON input"],
    ["broken.json", '[{"target": ["x"]}]', 'json: unknown field "target"'],
    ["broken.json", "[null]", "nil target group item found"],
    ["broken.yml", "- targats: [x]\n", "field targats not found in type struct"],
    ["broken.yml", "-\n", "nil target group item found"],
    ["broken.yml", "- targets: [x\n", "did not find expected ',' or ']'"],
  ])("%s: %j", async (name, text, message) => {
    const whole = (...targets: string[]): string =>
      name.endsWith("json") ? `[{"targets": ["x:1"]}, ${list(...targets).slice(1)}` : `- targets: [${targets.join()}]`;
    write(name, whole("good:1"));
    write("beside.json", list("beside:1"));
    run(["*.json", "*.yml"]);
    await vi.waitFor(() => expect(sd.addresses()).toContain("good:1"));
    const before = sd.addresses();
    write(name, text);
    await vi.waitFor(() => expect(env.errors).not.toEqual([]));
    expect(env.errors[0]).toContain(`Error reading file: `);
    expect(env.errors[0]).toContain(message);
    expect(env.metric("belfry_sd_file_read_errors_total")).toBeGreaterThan(0);
    expect(sd.addresses()).toEqual(before);
    write(name, name.endsWith("json") ? list("again:1") : "- targets: ['again:1']");
    await expectAddresses("again:1", "beside:1");
  });
});

test("a file that breaks and then goes loses its targets", async () => {
  write("a.json", list("a:1"));
  run(["*.json"]);
  await expectAddresses("a:1");
  write("a.json", "x");
  await vi.waitFor(() => expect(env.errors).not.toEqual([]));
  expect(sd.addresses()).toEqual(["a:1"]);
  rmSync(path("a.json"));
  await expectAddresses();
});

test("a mounted configuration, whose folder is exchanged as a whole, is followed", async () => {
  for (const version of ["1", "2"]) {
    mkdirSync(path(version));
    write(`${version}/a.json`, list(`a:${version}`));
  }
  symlinkSync("1", path("..data"));
  symlinkSync("..data/a.json", path("a.json"));
  run(["a.json"]);
  await expectAddresses("a:1");
  symlinkSync("2", path("..new"));
  renameSync(path("..new"), path("..data"));
  await expectAddresses("a:2");
});

test("events in the folder that do not touch its files read nothing", async () => {
  write("a.json", list("a:1"));
  run(["*.json"]);
  await expectAddresses("a:1");
  writeFileSync(path("unrelated.log"), "line");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(sd.updates).toBe(1);
});

test("without events everything is read at the interval, in folders that came later too", async () => {
  const clock = new ManualClock(0);
  env = newEnvironment(clock);
  write("a.json", list("a:1"));
  run(["a.json", "later/b.json"], 60_000);
  await expectAddresses("a:1");
  expect(env.metric("belfry_sd_file_watcher_errors_total")).toBe(1);
  mkdirSync(path("later"));
  write("later/b.json", list("b:1"));
  clock.advance(59_999);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(sd.addresses()).toEqual(["a:1"]);
  clock.advance(1);
  await expectAddresses("a:1", "b:1");
});

test("a folder that was removed and made anew is watched again", async () => {
  const clock = new ManualClock(0);
  env = newEnvironment(clock);
  mkdirSync(path("sub"));
  write("sub/a.json", list("a:1"));
  run(["sub/*.json"], 60_000);
  await expectAddresses("a:1");
  rmSync(path("sub"), { recursive: true });
  // Something in between, so that the new folder does not get the old one's number.
  mkdirSync(path("other"));
  mkdirSync(path("sub"));
  clock.advance(60_000);
  await expectAddresses();
  write("sub/b.json", list("b:1"));
  // The event arrives by itself; the clock only lets it settle, far from the next interval.
  for (let i = 0; i < 100 && sd.addresses().length === 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    clock.advance(100);
  }
  expect(sd.addresses()).toEqual(["b:1"]);
});

test("a file beyond the limit is refused before it is read", async () => {
  write("a.json", list("a:1"));
  run(["a.json"]);
  await expectAddresses("a:1");
  // Sparse: it takes no room.
  truncateSync(path("a.json"), 300 * 1024 * 1024);
  await vi.waitFor(() =>
    expect(env.errors).toContain("Error reading file: the file has 314572800 bytes, at most 268435456 are read"),
  );
  expect(sd.addresses()).toEqual(["a:1"]);
});

test("after the end nothing is emitted, and the times of its files are gone", async () => {
  write("a.json", list("a:1"));
  run(["a.json"]);
  await expectAddresses("a:1");
  await sd.stop();
  write("a.json", list("a:2"));
  await new Promise((resolve) => setTimeout(resolve, 150));
  expect(sd.updates).toBe(1);
  expect(env.metric(`belfry_sd_file_mtime_seconds{filename="${path("a.json")}"}`)).toBeUndefined();
});

test("an interval that would never rest is refused", () => {
  expect(() => run(["a.json"], 0)).toThrow("expected refresh_interval to be positive, got 0s");
});
