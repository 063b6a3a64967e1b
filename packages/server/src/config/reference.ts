// docs/reference/config.md, written from the codecs that read the file: a key that is not in there is not read.
import { httpClientKeys } from "../lib/http-config-codec.ts";
import type { Outline, OutlineKey, SectionOutline } from "../lib/yaml-decode.ts";
import { discoveryOutline } from "../ingest/discovery/codecs.ts";
import { relabelConfigCodec } from "../ingest/relabel/index.ts";
import { belfryCodec } from "./belfry-codec.ts";
import { prometheusCodec } from "./prometheus-codec.ts";
import { remoteReadCodec, remoteWriteCodec } from "./remote-codec.ts";
import { scrapeConfigCodec } from "./scrape-codec.ts";

const INTRODUCTION = `# Configuration

<!-- Written from the code by packages/server/src/config/reference.test.ts; \`vitest -u\` on it updates this file. -->

\`--config.file\` names one YAML file. A \`prometheus.yml\` of Prometheus 3 is read as it is, with the same meaning, the
same checks and the same messages. A \`belfry.yml\` holds one, or names it, beside the settings that are Belfry's own;
which of the two a file is shows in its keys.

- Unknown and repeated keys are errors, with their line.
- What is accepted but not done yet is named once in the log when the file is loaded, and by \`belfry check config\`.
- A file that cannot be used leaves the configuration as it was.
- Relative paths start at the folder of the file that holds them.
- \`duration\`: \`30s\`, \`1h30m\`, with the units \`y w d h m s ms\`, largest first. \`size\`: \`512MB\`, with the units
  \`B KB MB GB TB PB EB\`, each 1024 times the one before.
- \`secret\`: text that is shown as \`<secret>\` wherever the configuration is shown.
- A key without a default is empty, zero or false, which for limits means that there is none.
`;

const DISCOVERY_NOTE = `The other kinds that Prometheus has are read and checked in full but not run yet. A job that
uses one is named in the log and gets no targets from it: `;

interface Root {
  title: string;
  outline: SectionOutline;
  text: string;
}

// The sections that open a chapter or that many others refer to, in the order of the page.
const ROOTS: readonly Root[] = [
  { title: "belfry.yml", outline: belfryCodec.outline, text: "" },
  { title: "prometheus.yml", outline: prometheusCodec.outline, text: "" },
  {
    title: "scrape_config",
    outline: scrapeConfigCodec.outline,
    text: "One job. What it does not say it takes from `global`, where `global` has the key.",
  },
  { title: "remote_write", outline: remoteWriteCodec.outline, text: "" },
  { title: "remote_read", outline: remoteReadCodec.outline, text: "" },
  {
    title: "relabel_config",
    outline: relabelConfigCodec.outline,
    text: "One rule. Rules are applied in their order, each to what the one before left.",
  },
  { title: "http_config", outline: httpClientKeys.outline, text: "How a client connects and authenticates." },
  { title: "discovery", outline: discoveryOutline, text: `${DISCOVERY_NOTE}${notRun()}.` },
];

function notRun(): string {
  const keys = discoveryOutline.keys.filter(({ doc }) => doc === "");
  return keys.map(({ key }) => `\`${key}\``).join(", ");
}

/** configReference is the page as Markdown. */
export function configReference(): string {
  const page = new Page();
  return `${INTRODUCTION}\n${ROOTS.map((root) => page.chapter(root)).join("\n")}`;
}

class Page {
  private readonly titles = new Map<object, string>(ROOTS.map(({ title, outline }) => [outline.section, title]));

  chapter({ title, outline, text }: Root): string {
    return this.section(title, outline, text, "##");
  }

  private section(title: string, { section, keys }: SectionOutline, text: string, heading: string): string {
    const own = keys.filter(({ part }) => part === undefined || part === section || !this.isRoot(part));
    const parts = new Set(keys.map(({ part }) => part).filter((part) => part !== section && this.isRoot(part)));
    const lines = [`${heading} ${title}`, ""];
    if (text !== "") lines.push(text, "");
    const below: string[] = [];
    lines.push("| key | value | meaning |", "|---|---|---|");
    for (const key of own) {
      if (key.doc === "") continue;
      const inner = sectionIn(key.outline);
      if (inner !== undefined && isDocumented(inner) && !this.titles.has(inner.section)) {
        const name = this.freeTitle(key.key, title);
        this.titles.set(inner.section, name);
        below.push(this.section(name, inner, "", "###"));
      }
      lines.push(this.row(key));
    }
    if (parts.size > 0) {
      const links = [...parts].map((part) => this.link(part as object));
      lines.push("", `Besides these, the keys of ${links.join(" and ")}.`);
    }
    return [...lines, "", ...below].join("\n");
  }

  private row({ key, outline, doc }: OutlineKey): string {
    return `| \`${key}\` | ${this.describe(outline)} | ${doc.replaceAll("|", "\\|").replaceAll("*", "\\*")} |`;
  }

  private describe(outline: Outline): string {
    if (typeof outline === "string") return outline;
    if ("section" in outline) return isDocumented(outline) ? this.link(outline.section) : "section";
    return "list" in outline ? `list of ${this.describe(outline.list)}` : `map to ${this.describe(outline.map)}`;
  }

  private isRoot(part: object | undefined): boolean {
    return ROOTS.some(({ outline }) => outline.section === part);
  }

  private link(section: object): string {
    const title = this.titles.get(section)!;
    return `[${title}](#${title.toLowerCase().replaceAll(/[^\w-]/g, "")})`;
  }

  private freeTitle(key: string, parent: string): string {
    const taken = [...this.titles.values()].includes(key);
    return taken ? `${parent}.${key}` : key;
  }
}

function isDocumented({ keys }: SectionOutline): boolean {
  return keys.some(({ doc }) => doc !== "");
}

function sectionIn(outline: Outline): SectionOutline | undefined {
  if (typeof outline === "string") return undefined;
  if ("section" in outline) return outline;
  return sectionIn("list" in outline ? outline.list : outline.map);
}
