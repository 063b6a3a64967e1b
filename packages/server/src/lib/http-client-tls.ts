// TLS as configured: which authorities are trusted, which certificate is shown. Certificates in files are read again
// when they change, so that rotating them needs no reload.
import { createSecureContext, getCACertificates, type SecureContext, type SecureVersion } from "node:tls";
import { WatchedFile } from "./http-client-files.ts";
import type { TlsConfig, TlsVersion } from "./http-config.ts";

/** TlsOptions are the options of a TLS connection. `fingerprint` is equal for equal options. */
export interface TlsOptions {
  /** secureContext holds certificates and versions, parsed once for all connections. */
  secureContext: SecureContext;
  servername?: string;
  rejectUnauthorized?: boolean;
  fingerprint: string;
}

const VERSIONS: Readonly<Record<TlsVersion, SecureVersion>> = {
  TLS10: "TLSv1",
  TLS11: "TLSv1.1",
  TLS12: "TLSv1.2",
  TLS13: "TLSv1.3",
};

/** TlsMaterial yields the options of one TLS configuration. */
export class TlsMaterial {
  private readonly config: TlsConfig;
  private readonly caFile: WatchedFile | undefined;
  private readonly certFile: WatchedFile | undefined;
  private readonly keyFile: WatchedFile | undefined;
  private last: TlsOptions | undefined;

  constructor(config: TlsConfig, now: () => number) {
    this.config = config;
    const file = (path: string): WatchedFile | undefined => (path === "" ? undefined : new WatchedFile(path, now));
    this.caFile = file(config.caFile);
    this.certFile = file(config.certFile);
    this.keyFile = file(config.keyFile);
  }

  /** isFixed tells whether the options never change. */
  get isFixed(): boolean {
    return this.caFile === undefined && this.certFile === undefined && this.keyFile === undefined;
  }

  /** load reads what lies in files. Rejects with upstream's words when a file cannot be read. */
  async load(): Promise<TlsOptions> {
    const { config } = this;
    const ca = this.caFile === undefined ? config.ca : await readPem(this.caFile, "CA cert");
    const cert = this.certFile === undefined ? config.cert : await readPem(this.certFile, "specified client cert");
    const key = this.keyFile === undefined ? config.key : await readPem(this.keyFile, "specified client key");
    const fingerprint = `${ca}\n${cert}\n${key}`;
    if (this.last?.fingerprint === fingerprint) return this.last;
    this.last = { secureContext: contextFor(config, ca, cert, key), fingerprint };
    if (config.serverName !== "") this.last.servername = config.serverName;
    if (config.insecureSkipVerify) this.last.rejectUnauthorized = false;
    return this.last;
  }
}

let defaultContext: SecureContext | undefined;

function contextFor(config: TlsConfig, ca: string, cert: string, key: string): SecureContext {
  const { minVersion, maxVersion } = config;
  const isDefault = ca === "" && cert === "" && key === "" && minVersion === undefined && maxVersion === undefined;
  if (isDefault && defaultContext !== undefined) return defaultContext;
  const context = createSecureContext({
    ca: ca === "" ? authorities() : ca,
    cert: cert === "" ? undefined : cert,
    key: key === "" ? undefined : key,
    minVersion: minVersion === undefined ? undefined : VERSIONS[minVersion],
    maxVersion: maxVersion === undefined ? undefined : VERSIONS[maxVersion],
  });
  if (isDefault) defaultContext = context;
  return context;
}

async function readPem(file: WatchedFile, what: string): Promise<string> {
  try {
    return await file.read();
  } catch (cause) {
    throw new Error(`unable to load ${what} ${file.path}: ${(cause as Error).message}`, { cause });
  }
}

// Besides the authorities that Node brings, those that the machine's administrator has installed.
function authorities(): string[] {
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system")])];
}
