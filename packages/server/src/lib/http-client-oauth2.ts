// OAuth 2.0 for machines: the client credentials grant (RFC 6749, 4.4) and the JWT bearer grant (RFC 7523). A token
// serves until shortly before it expires; one request fetches it for all that wait.
import { createSign } from "node:crypto";
import { AppError } from "./errors.ts";
import { Secret } from "./http-client-files.ts";
import type { OAuth2Config } from "./http-config.ts";

/** OAuth2Error says that no token could be had. */
export class OAuth2Error extends AppError {
  constructor(message: string, cause?: unknown) {
    super("OAUTH2_FAILED", message, { cause });
  }
}

/** TokenRequest is a form to be posted to the token endpoint; `authorization` is "" or a header. */
export interface TokenRequest {
  url: string;
  form: string;
  authorization: string;
}

/** TokenAnswer is what the token endpoint said. */
export interface TokenAnswer {
  status: number;
  statusText: string;
  contentType: string;
  body: string;
}

const JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const HASHES: Readonly<Record<string, string>> = { RS256: "RSA-SHA256", RS384: "RSA-SHA384", RS512: "RSA-SHA512" };
// A token is not used in its last seconds: the clock of the server may be ahead.
const EXPIRY_MARGIN_MS = 10_000;
const JWT_LIFETIME_SECONDS = 3600;

/** TokenSource holds the token of one configuration. */
export class TokenSource {
  private readonly config: OAuth2Config;
  private readonly send: (request: TokenRequest) => Promise<TokenAnswer>;
  private readonly now: () => number;
  private readonly secret: Secret;
  private readonly key: Secret;
  private token: { header: string; expiresMs: number; secret: string } | undefined;
  private fetching: Promise<string> | undefined;
  /** inForm is how the endpoint wants the client's credentials; undefined until it has accepted one way. */
  private inForm: boolean | undefined;

  constructor(config: OAuth2Config, send: (request: TokenRequest) => Promise<TokenAnswer>, now: () => number) {
    this.config = config;
    this.send = send;
    this.now = now;
    this.secret = new Secret(config.clientSecret, config.clientSecretFile, now);
    this.key = new Secret(config.clientCertificateKey, config.clientCertificateKeyFile, now);
  }

  /** authorization is the header for a request now. Rejects with OAuth2Error. */
  async authorization(): Promise<string> {
    const secret = await this.readSecret();
    const { token } = this;
    // A rotated secret makes a new token, as the old one may have been withdrawn with it.
    if (token !== undefined && token.secret === secret && this.now() < token.expiresMs) return token.header;
    this.fetching ??= this.fetch(secret).finally(() => {
      this.fetching = undefined;
    });
    return this.fetching;
  }

  /** forget drops the token, for instance when a server has refused it. */
  forget(): void {
    this.token = undefined;
  }

  private async readSecret(): Promise<string> {
    try {
      return await (this.config.grantType === JWT_BEARER ? this.key : this.secret).read();
    } catch (cause) {
      throw new OAuth2Error((cause as Error).message, cause);
    }
  }

  private async fetch(secret: string): Promise<string> {
    const answer = await (this.config.grantType === JWT_BEARER ? this.fetchByJwt(secret) : this.fetchByClient(secret));
    const { accessToken, tokenType, expiresIn } = parseToken(answer);
    const expiresMs = expiresIn > 0 ? this.now() + expiresIn * 1000 - EXPIRY_MARGIN_MS : Infinity;
    const header = `${canonicalType(tokenType)} ${accessToken}`;
    this.token = { header, expiresMs, secret };
    return header;
  }

  // Servers want the credentials in a header or in the form, and do not say which: the header is tried first.
  private async fetchByClient(secret: string): Promise<TokenAnswer> {
    const first = this.inForm ?? false;
    let answer = await this.sendForm(secret, first);
    if (this.inForm === undefined) {
      if (!isSuccess(answer)) {
        const second = await this.sendForm(secret, true);
        if (isSuccess(second)) this.inForm = true;
        answer = second;
      } else this.inForm = false;
    }
    return answer;
  }

  private sendForm(secret: string, inForm: boolean): Promise<TokenAnswer> {
    const { config } = this;
    const form = new URLSearchParams({ grant_type: "client_credentials" });
    if (config.scopes.length > 0) form.set("scope", config.scopes.join(" "));
    for (const [name, value] of config.endpointParams) form.set(name, value);
    let authorization = "";
    if (inForm) {
      form.set("client_id", config.clientId);
      if (secret !== "") form.set("client_secret", secret);
    } else {
      const credentials = `${encodeURIComponent(config.clientId)}:${encodeURIComponent(secret)}`;
      authorization = `Basic ${Buffer.from(credentials).toString("base64")}`;
    }
    return this.send({ url: config.tokenUrl, form: form.toString(), authorization });
  }

  private fetchByJwt(key: string): Promise<TokenAnswer> {
    const { config } = this;
    const form = new URLSearchParams({ grant_type: JWT_BEARER, assertion: this.assertion(key) });
    for (const [name, value] of config.endpointParams) form.set(name, value);
    return this.send({ url: config.tokenUrl, form: form.toString(), authorization: "" });
  }

  private assertion(key: string): string {
    const { config } = this;
    const algorithm = config.signatureAlgorithm === "" ? "RS256" : config.signatureAlgorithm;
    const header: Record<string, unknown> = { alg: algorithm, typ: "JWT" };
    if (config.clientCertificateKeyId !== "") header["kid"] = config.clientCertificateKeyId;
    const issuedAt = Math.floor(this.now() / 1000);
    const claims: Record<string, unknown> = {
      iss: config.iss === "" ? config.clientId : config.iss,
      aud: config.audience === "" ? config.tokenUrl : config.audience,
      iat: issuedAt,
      exp: issuedAt + JWT_LIFETIME_SECONDS,
    };
    if (config.scopes.length > 0) claims["scope"] = config.scopes.join(" ");
    for (const [name, value] of config.claims ?? []) claims[name] = value;
    const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString("base64url");
    const signed = `${encode(header)}.${encode(claims)}`;
    try {
      return `${signed}.${createSign(HASHES[algorithm]).update(signed).sign(key, "base64url")}`;
    } catch (cause) {
      throw new OAuth2Error(`cannot sign the token request: ${(cause as Error).message}`, cause);
    }
  }
}

function isSuccess(answer: TokenAnswer): boolean {
  return answer.status >= 200 && answer.status < 300;
}

function parseToken(answer: TokenAnswer): { accessToken: string; tokenType: string; expiresIn: number } {
  if (!isSuccess(answer)) {
    throw new OAuth2Error(`oauth2: cannot fetch token: ${answer.statusText}\nResponse: ${answer.body.slice(0, 2000)}`);
  }
  let fields: Record<string, unknown>;
  if (/^(?:application\/x-www-form-urlencoded|text\/plain)/i.test(answer.contentType)) {
    fields = Object.fromEntries(new URLSearchParams(answer.body));
  } else {
    try {
      fields = JSON.parse(answer.body) as Record<string, unknown>;
    } catch (cause) {
      throw new OAuth2Error(`oauth2: cannot parse json: ${(cause as Error).message}`, cause);
    }
  }
  const accessToken = fields["access_token"];
  if (typeof accessToken !== "string" || accessToken === "") {
    throw new OAuth2Error("oauth2: server response missing access_token");
  }
  const tokenType = typeof fields["token_type"] === "string" ? fields["token_type"] : "";
  const expiresIn = Number(fields["expires_in"] ?? 0);
  return { accessToken, tokenType, expiresIn: Number.isFinite(expiresIn) ? expiresIn : 0 };
}

function canonicalType(type: string): string {
  switch (type.toLowerCase()) {
    case "":
    case "bearer":
      return "Bearer";
    case "mac":
      return "MAC";
    case "basic":
      return "Basic";
    default:
      return type;
  }
}
