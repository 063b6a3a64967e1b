// A ClickHouse server for tests: its HTTP protocol, as far as @clickhouse/client speaks it, in front of the embedded
// engine. So what Belfry sends to a server is run by the real SQL engine without one being installed. It runs as a
// process of its own, because the engine allows one data directory per process.
//
//   node test/support/clickhouse-http.ts DIRECTORY [PORT]     prints its URL and serves until its parent lets go
//
// Not like a server: a query_id is kept in log_comment (the embedded engine chooses its own ids), the answer to a
// query begins when its first block is there, and one user exists (tester, password "s3cret").
import { fork, type ChildProcess } from "node:child_process";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { Session } from "chdb";

export const USER = "tester";
export const PASSWORD = "s3cret";

/** ClickHouseProcess is a running server. */
export interface ClickHouseProcess {
  readonly url: string;
  readonly child: ChildProcess;
  /** stop ends it gracefully; kill as with -9. */
  stop(): Promise<void>;
  kill(): Promise<void>;
}

/** startClickHouse starts a server on `directory` and resolves when it answers. */
export async function startClickHouse(directory: string, port = 0): Promise<ClickHouseProcess> {
  const child = fork(fileURLToPath(import.meta.url), [directory, String(port)], {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
    execArgv: [],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    let output = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      const match = /^(http:\S+)$/m.exec(output);
      if (match) resolve(match[1]!);
    });
    void exited.then(() => reject(new Error(`the ClickHouse double ended before it served: ${output}`)));
  });
  return {
    url,
    child,
    async stop() {
      child.disconnect();
      await exited;
    },
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

if (import.meta.main) await serve(process.argv[2]!, Number(process.argv[3] ?? 0));

async function serve(directory: string, port: number): Promise<void> {
  process.env.UV_THREADPOOL_SIZE ??= "16";
  const keeper = new Session(directory);
  const server = createServer((request, response) => {
    handle(directory, request, response).catch((error: Error) => {
      if (response.headersSent) response.destroy();
      else fail(response, error.message);
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  process.once("disconnect", () => {
    server.close();
    server.closeAllConnections();
    keeper.close();
    process.exit(0);
  });
}

// Parameters of the URL that are not settings.
const OWN = new Set(["query", "database", "query_id", "default_format", "role", "session_id"]);
// Settings of the HTTP layer only.
const HTTP_SETTINGS = /^(wait_end_of_query|send_progress_in_http_headers|http_|enable_http_compression)/;

async function handle(directory: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const body = await read(request);
  if (url.pathname === "/ping") {
    response.end("Ok.\n");
    return;
  }
  const user = request.headers["x-clickhouse-user"] ?? basic(request)?.[0];
  const password = request.headers["x-clickhouse-key"] ?? basic(request)?.[1];
  if (user !== USER || password !== PASSWORD) {
    const text = `Code: 516. DB::Exception: ${String(user)}: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)`;
    fail(response, text, 403);
    return;
  }
  const inUrl = url.searchParams.get("query");
  const sql = (inUrl ?? body.toString("utf8")).trim();
  const session = new Session(directory);
  try {
    prepare(session, url);
    if (/^INSERT\b/i.test(sql) && /\bFORMAT\s+\w+$/i.test(sql)) {
      // Bytes stay bytes: they are handed over apart from the statement.
      const match = /^INSERT INTO\s+([\w.`]+)\s*\(([^)]*)\)\s*(?:SETTINGS\s+([\s\S]*?))?\s*FORMAT\s+(\w+)$/i.exec(sql);
      if (!match)
        throw new Error(`Code: 62. DB::Exception: the test double does not understand: ${sql} (SYNTAX_ERROR)`);
      await session.insert({
        table: match[1]!.replaceAll("`", ""),
        columns: match[2]!.split(",").map((name) => name.trim()),
        settings: settingsOf(match[3] ?? ""),
        format: match[4] as "TabSeparated",
        values: body,
      });
      response.writeHead(200).end();
      return;
    }
    const format = /\bFORMAT\s+(\w+)$/i.exec(sql)?.[1] ?? url.searchParams.get("default_format") ?? "TabSeparated";
    const bare = sql
      .replace(/\bFORMAT\s+\w+$/i, "")
      .replaceAll(/\b(?:initial_)?query_id\s*=/g, "Settings['log_comment'] =");
    if (!/^\s*(SELECT|WITH|SHOW|DESCRIBE|EXISTS)\b/i.test(bare)) {
      await session.queryAsync(bare);
      response.writeHead(200).end();
      return;
    }
    for await (const chunk of session.queryStream(bare, { format })) {
      if (!response.headersSent) response.writeHead(200, { "X-ClickHouse-Format": format });
      // In small pieces, as they come over a network.
      const bytes = chunk.raw();
      for (let at = 0; at < bytes.length; at += 10_007) {
        if (!response.write(bytes.subarray(at, at + 10_007))) await drained(response);
      }
    }
    if (!response.headersSent) response.writeHead(200);
    response.end();
  } finally {
    session.close();
  }
}

function prepare(session: Session, url: URL): void {
  const database = url.searchParams.get("database");
  if (database) session.query(`USE \`${database}\``);
  const queryId = url.searchParams.get("query_id");
  if (queryId) session.query(`SET log_comment = '${queryId}'`);
  for (const [name, value] of url.searchParams) {
    if (OWN.has(name) || HTTP_SETTINGS.test(name)) continue;
    session.query(`SET ${name} = '${value.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`);
  }
}

function settingsOf(text: string): Record<string, string | number> {
  const out: Record<string, string | number> = {};
  for (const match of text.matchAll(/(\w+) = (?:'([^']*)'|([\d.]+))/g)) out[match[1]!] = match[2] ?? Number(match[3]);
  return out;
}

function fail(response: ServerResponse, text: string, status = 500): void {
  const code = /Code: (\d+)/.exec(text)?.[1] ?? "1002";
  response.writeHead(status, { "X-ClickHouse-Exception-Code": code }).end(text);
}

function basic(request: IncomingMessage): [string, string] | undefined {
  const match = /^Basic (.*)$/.exec(request.headers.authorization ?? "");
  if (!match) return undefined;
  const [user, ...rest] = Buffer.from(match[1]!, "base64").toString().split(":");
  return [user!, rest.join(":")];
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error("the client went away"));
    if (response.closed) {
      gone();
      return;
    }
    response.once("drain", () => {
      response.off("close", gone);
      resolve();
    });
    response.once("close", gone);
  });
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
