// All routes of the Prometheus API, put together below /api/v1.
import type { Labels } from "@belfry/core/model";
import type { FastifyInstance } from "fastify";
import type { MetadataQueryable, MetadataSource } from "../../metrics/queryable.ts";
import { registerLabelRoutes } from "./labels.ts";
import { type QueryRouteOptions, registerQueryRoutes } from "./query.ts";
import { registerSearchRoutes } from "./search.ts";
import { type AdminSource, registerAdminRoutes, registerStatusRoutes, type StatusSource } from "./status.ts";
import { registerTargetRoutes, type TargetSource } from "./targets.ts";
import { registerWriteRoutes, type WriteHandler } from "./write.ts";

/** PrometheusRoutes is what stands behind the routes. */
export interface PrometheusRoutes {
  query: QueryRouteOptions;
  labels: MetadataQueryable;
  metadata: MetadataSource;
  targets: TargetSource;
  status: StatusSource;
  admin: AdminSource;
  /** write is undefined when remote write is switched off. */
  write: WriteHandler | undefined;
  labelsFromRecord(record: Record<string, string>): Labels;
  hostname: string;
}

/** registerPrometheusRoutes adds the routes. */
export function registerPrometheusRoutes(app: FastifyInstance, routes: PrometheusRoutes): void {
  void app.register(
    async (api) => {
      registerQueryRoutes(api, routes.query);
      registerLabelRoutes(api, routes.labels);
      registerSearchRoutes(api, routes.labels, routes.metadata);
      registerTargetRoutes(api, routes.targets, routes.metadata, (record) => routes.labelsFromRecord(record));
      registerStatusRoutes(api, routes.status, routes.hostname);
      registerAdminRoutes(api, routes.admin);
      registerWriteRoutes(api, routes.write);
    },
    { prefix: "/api/v1" },
  );
}
