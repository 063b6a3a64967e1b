// `npm run dev`: the server from source, restarted on change, and vite in front of it with hot reload. Both
// take free ports, so that several checkouts can run side by side.
import { spawn, type ChildProcess } from "node:child_process";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}

const [serverPort, uiPort] = await Promise.all([freePort(), freePort()]);
const server = `http://127.0.0.1:${serverPort}`;
const children: ChildProcess[] = [
  spawn(
    process.execPath,
    [
      "--watch-path=packages/server/src",
      "--watch-path=packages/core/src",
      "packages/server/src/cli/main.ts",
      "serve",
      `--web.listen-address=127.0.0.1:${serverPort}`,
      "--web.compat-listeners=none",
      "--storage.path=data/dev",
      ...process.argv.slice(2),
    ],
    { cwd: root, stdio: "inherit" },
  ),
  spawn(
    process.execPath,
    [join(root, "node_modules", "vite", "bin", "vite.js"), "--port", String(uiPort), "--host", "127.0.0.1"],
    { cwd: join(root, "packages", "ui"), stdio: "inherit", env: { ...process.env, BELFRY_DEV_SERVER: server } },
  ),
];
console.log(`server ${server}   web interface http://127.0.0.1:${uiPort}`);

const stop = (): void => {
  for (const child of children) child.kill("SIGTERM");
};
process.on("SIGINT", stop);
process.on("SIGTERM", stop);
for (const child of children) child.on("exit", stop);
