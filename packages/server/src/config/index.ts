export { type LoadedConfig, loadConfig, loadConfigText, renderConfig, renderScrapeConfig } from "./load.ts";
export { describeNotice, type Notice } from "./unsupported.ts";
