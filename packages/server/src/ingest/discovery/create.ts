// From a configuration to what discovers: the one list of the kinds that are supported.
import { AppError } from "../../lib/errors.ts";
import type { DiscoveryConfig } from "./config.ts";
import type { Discoverer, DiscoveryEnvironment } from "./discoverer.ts";
import { dnsDiscoverer } from "./dns.ts";
import { dockerDiscoverer } from "./docker.ts";
import { FileDiscoverer } from "./file.ts";
import { httpDiscoverer } from "./http.ts";
import { KubernetesDiscoverer } from "./kubernetes/kubernetes.ts";
import { staticDiscoverer } from "./static.ts";

/** UnsupportedDiscoveryError refuses a kind of discovery by name. */
export class UnsupportedDiscoveryError extends AppError {
  constructor(name: string, line: number) {
    super(
      "DISCOVERY_UNSUPPORTED",
      `line ${line}: ${name}_sd_configs: this kind of service discovery is not supported; static, file, http, dns, docker and kubernetes are (http_sd_configs or file_sd_configs can stand in for it)`,
    );
  }
}

/** createDiscoverer makes the discoverer of a section. Throws UnsupportedDiscoveryError, or why it cannot run. */
export function createDiscoverer(config: DiscoveryConfig, env: DiscoveryEnvironment): Discoverer {
  switch (config.kind) {
    case "static":
      return staticDiscoverer(config);
    case "file":
      return new FileDiscoverer(config, env);
    case "http":
      return httpDiscoverer(config, env);
    case "dns":
      return dnsDiscoverer(config, env);
    case "docker":
      return dockerDiscoverer(config, env);
    case "kubernetes":
      return new KubernetesDiscoverer(config, env);
    case "unsupported":
      throw new UnsupportedDiscoveryError(config.name, config.line);
  }
}
