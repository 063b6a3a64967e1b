import { enableCompileCache } from "node:module";

// Compiled code is kept between starts: half of the time until the first answer would be spent compiling.
enableCompileCache();

// The engine's statements run on libuv's thread pool, whose default of 4 threads they would fill alone. The size is
// read when the pool is first used, so this comes before everything else is loaded.
process.env.UV_THREADPOOL_SIZE ??= "16";

const { runCli } = await import("./cli.ts");
process.exitCode = await runCli(process.argv.slice(2));
