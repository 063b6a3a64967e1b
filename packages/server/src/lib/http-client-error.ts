// Why a request got no answer, in the words that operators know from Go programs: they are what stands beside a
// target that is down.
import { AppError } from "./errors.ts";

/** HttpClientError says that a request got no answer; `message` is `Get "http://host/": dial tcp ...: connect: connection refused`. */
export class HttpClientError extends AppError {
  /** reason is the message without method and URL. */
  readonly reason: string;
  constructor(method: string, url: string, cause: unknown) {
    const reason = describeFailure(cause);
    const verb = method.charAt(0) + method.slice(1).toLowerCase();
    super("HTTP_REQUEST_FAILED", `${verb} "${redactUrl(url)}": ${reason}`, { cause });
    this.reason = reason;
  }
}

/** redactUrl hides the password of a URL. */
export function redactUrl(url: string): string {
  return url.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/@:]*):[^/@]*@/i, "$1:***@");
}

interface SystemError {
  code?: unknown;
  message?: unknown;
  address?: unknown;
  port?: unknown;
  hostname?: unknown;
  cause?: unknown;
  errors?: unknown;
}

const CONNECT_FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connect: connection refused",
  EHOSTUNREACH: "connect: no route to host",
  ENETUNREACH: "connect: network is unreachable",
  EADDRNOTAVAIL: "connect: cannot assign requested address",
  EACCES: "connect: permission denied",
  ENOENT: "connect: no such file or directory",
};
const CERTIFICATE_FAILURES: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: "x509: certificate signed by unknown authority",
  SELF_SIGNED_CERT_IN_CHAIN: "x509: certificate signed by unknown authority",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "x509: certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT: "x509: certificate signed by unknown authority",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "x509: certificate signed by unknown authority",
  CERT_HAS_EXPIRED: "x509: certificate has expired or is not yet valid",
  CERT_NOT_YET_VALID: "x509: certificate has expired or is not yet valid",
};

/** describeFailure words an error of the network. */
export function describeFailure(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause);
  const error = cause as Error & SystemError;
  // Trying several addresses of a name gives one error for each; the last is as good as any.
  if (Array.isArray(error.errors) && error.errors.length > 0) return describeFailure(error.errors.at(-1));
  const code = typeof error.code === "string" ? error.code : "";
  const connect = CONNECT_FAILURES[code];
  if (connect !== undefined) {
    const address = typeof error.address === "string" ? error.address : "";
    return error.port === undefined
      ? `dial unix ${address}: ${connect}`
      : `dial tcp ${joinHostPort(address, error.port as number)}: ${connect}`;
  }
  const certificate = CERTIFICATE_FAILURES[code];
  if (certificate !== undefined) return `tls: failed to verify certificate: ${certificate}`;
  switch (code) {
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `dial tcp: lookup ${String(error.hostname)}: no such host`;
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
      return "dial tcp: i/o timeout";
    case "UND_ERR_HEADERS_TIMEOUT":
    case "UND_ERR_BODY_TIMEOUT":
      return "timeout awaiting response";
    case "ECONNRESET":
      return "read: connection reset by peer";
    case "EPIPE":
      return "write: broken pipe";
    case "UND_ERR_SOCKET":
      return "EOF";
    case "ERR_TLS_CERT_ALTNAME_INVALID":
      return `tls: failed to verify certificate: x509: ${error.message}`;
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return "http: server gave HTTP response to HTTPS client";
    default:
      if (error.name === "HTTPParserError" || code.startsWith("HPE_"))
        return `malformed HTTP response: ${error.message}`;
      if (code.startsWith("ERR_SSL_")) return `tls: ${error.message}`;
      return error.message;
  }
}

/** isStaleConnection tells whether a request failed because the server had closed an idle connection. */
export function isStaleConnection(cause: unknown): boolean {
  const code = (cause as SystemError | undefined)?.code;
  return code === "UND_ERR_SOCKET" || code === "ECONNRESET" || code === "EPIPE";
}

function joinHostPort(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}
