// `npm start`: build what is missing and serve with the defaults; arguments after `--` go to `belfry serve`.
import { enableCompileCache } from "node:module";
import { buildUi } from "./build.ts";

buildUi();
const args = process.argv.slice(2);
const open = process.stdout.isTTY === true && process.env.CI === undefined && !args.includes("--no-open");
enableCompileCache();
process.env.UV_THREADPOOL_SIZE ??= "16";
const { runCli } = await import("../packages/server/src/cli/cli.ts");
process.exitCode = await runCli([
  "serve",
  ...(open ? ["--web.open-browser"] : []),
  ...args.filter((a) => a !== "--no-open"),
]);
