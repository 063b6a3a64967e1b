// Selectors of the Kubernetes API, checked as its client library does, so that a mistake is told when the
// configuration is read and not by an answer of the API server.
import { ConfigError } from "../../../lib/yaml-decode.ts";

/** checkFieldSelector throws for what is not `path=value`, `path==value` or `path!=value`, joined by commas. */
export function checkFieldSelector(selector: string): void {
  for (const part of splitTerms(selector)) {
    if (part === "") continue;
    if (!/(?<!\\)!?=/.test(part)) {
      throw new ConfigError(`invalid selector: '${selector}'; can't understand '${part}'`);
    }
  }
}

// Commas and equal signs of a value are escaped with a backslash.
function splitTerms(selector: string): string[] {
  const out: string[] = [];
  let term = "";
  for (let i = 0; i < selector.length; i++) {
    if (selector[i] === "\\") term += selector[i]! + (selector[++i] ?? "");
    else if (selector[i] === ",") {
      out.push(term);
      term = "";
    } else term += selector[i];
  }
  out.push(term);
  return out;
}

const KEY = /^(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

/** checkLabelSelector throws for what is no label selector: `a=b, c!=d, e in (f, g), h notin (i), j, !k, l>3`. */
export function checkLabelSelector(selector: string): void {
  if (selector.trim() === "") return;
  for (const term of splitLabelTerms(selector)) {
    const problem = labelTermProblem(term.trim());
    if (problem !== undefined) throw new ConfigError(`unable to parse requirement: ${problem}`);
  }
}

function splitLabelTerms(selector: string): string[] {
  const out: string[] = [];
  let depth = 0;
  let term = "";
  for (const char of selector) {
    if (char === "(") depth++;
    else if (char === ")") depth--;
    if (char === "," && depth === 0) {
      out.push(term);
      term = "";
    } else term += char;
  }
  out.push(term);
  return out;
}

function labelTermProblem(term: string): string | undefined {
  if (term === "") return "found '', expected: !, identifier, or 'end of string'";
  if (term.startsWith("!")) return keyProblem(term.slice(1).trim());
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(term);
  if (set !== null) {
    return (
      keyProblem(set[1]!) ??
      set[3]!
        .split(",")
        .map((value) => valueProblem(value.trim()))
        .find((p) => p !== undefined)
    );
  }
  const equality = /^([^\s=!<>]+)\s*(==|=|!=|<|>)\s*([^\s=!<>]*)$/.exec(term);
  if (equality !== null) {
    const [, key, operator, value] = equality as unknown as [string, string, string, string];
    if ((operator === "<" || operator === ">") && !/^-?\d+$/.test(value)) {
      return `values[0]: Invalid value: "${value}": for 'Gt', 'Lt' operators, the value must be an integer`;
    }
    return keyProblem(key) ?? valueProblem(value);
  }
  const rest = /^(\S+)\s+(\S+)/.exec(term);
  if (rest !== null) return `found '${rest[2]}', expected: in, notin, =, ==, !=, gt, lt`;
  return keyProblem(term);
}

function keyProblem(key: string): string | undefined {
  return KEY.test(key) && key.length <= 253 + 1 + 63
    ? undefined
    : `key: Invalid value: "${key}": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`;
}

function valueProblem(value: string): string | undefined {
  return VALUE.test(value) && value.length <= 63
    ? undefined
    : `values[0]: Invalid value: "${value}": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character`;
}
