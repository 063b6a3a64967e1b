// URLs of configuration files, checked as Go's net/url does, which accepts more than the WHATWG standard (relative
// ones, opaque ones) and words its refusals in its own way.
import { quoteGo } from "@belfry/core/model";

/** UrlError is a refusal: `parse "http://x y": invalid character " " in host name`. */
export class UrlError extends Error {
  constructor(text: string, reason: string) {
    super(`parse ${quoteGo(text)}: ${reason}`);
    this.name = "UrlError";
  }
}

/** UrlParts are the parts that checks ask about. */
export interface UrlParts {
  /** scheme is in lower case, "" for a relative URL. */
  scheme: string;
  /** host includes the port. */
  host: string;
  path: string;
}

/** parseUrl splits and checks a URL. Throws UrlError. */
export function parseUrl(text: string): UrlParts {
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(text)) throw new UrlError(text, "net/url: invalid control character in URL");
  const rest = text.split("#", 1)[0]!;
  if (rest === "*") return { scheme: "", host: "", path: "*" };
  const named = /^([a-zA-Z][a-zA-Z0-9+.-]*):/.exec(rest);
  if (named === null && rest.startsWith(":")) throw new UrlError(text, "missing protocol scheme");
  const scheme = named === null ? "" : named[1]!.toLowerCase();
  const tail = (named === null ? rest : rest.slice(named[0].length)).split("?", 1)[0]!;
  if (!tail.startsWith("/")) {
    if (scheme !== "") return { scheme, host: "", path: "" };
    if (tail.split("/", 1)[0]!.includes(":")) {
      throw new UrlError(text, "first path segment in URL cannot contain colon");
    }
  }
  let host = "";
  let path = tail;
  if (tail.startsWith("//") && (scheme !== "" || !tail.startsWith("///"))) {
    const slash = tail.indexOf("/", 2);
    const authority = slash === -1 ? tail.slice(2) : tail.slice(2, slash);
    path = slash === -1 ? "" : tail.slice(slash);
    host = checkAuthority(text, authority);
  }
  checkEscapes(text, path);
  return { scheme, host, path };
}

function checkAuthority(text: string, authority: string): string {
  const at = authority.lastIndexOf("@");
  if (at !== -1 && !/^[A-Za-z0-9\-._:~!$&'()*+,;=%@]*$/.test(authority.slice(0, at))) {
    throw new UrlError(text, "net/url: invalid userinfo");
  }
  if (at !== -1) checkEscapes(text, authority.slice(0, at));
  const host = authority.slice(at + 1);
  const bracket = host.startsWith("[");
  const end = host.lastIndexOf("]");
  if (bracket && end === -1) throw new UrlError(text, "missing ']' in host");
  const colon = bracket ? end + 1 : host.lastIndexOf(":");
  const port = colon === -1 ? "" : host.slice(colon);
  if (port !== "" && !/^:\d*$/.test(port)) throw new UrlError(text, `invalid port ${quoteGo(port)} after host`);
  for (const char of host) {
    if (/[ "<>\\^`{|}]/.test(char)) throw new UrlError(text, `invalid character ${quoteGo(char)} in host name`);
  }
  checkEscapes(text, host);
  return host;
}

function checkEscapes(text: string, part: string): void {
  for (let i = part.indexOf("%"); i !== -1; i = part.indexOf("%", i + 1)) {
    if (!/^%[0-9a-fA-F]{2}/.test(part.slice(i, i + 3))) {
      throw new UrlError(text, `invalid URL escape ${quoteGo(part.slice(i, i + 3))}`);
    }
  }
}

/** redactUrl hides the password of a URL, as it is shown to people. */
export function redactUrl(text: string): string {
  return text.replace(/^([a-zA-Z][a-zA-Z0-9+.-]*:\/\/[^:/@]*):[^@/]*@/, "$1:xxxxx@");
}
