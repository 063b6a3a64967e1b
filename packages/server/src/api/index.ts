export { ApiError, type ErrorType } from "./errors.ts";
export { registerManagementRoutes, type ManagementSource } from "./management.ts";
export { type PrometheusRoutes, registerPrometheusRoutes } from "./prometheus/routes.ts";
export { createHttpServer, type HttpServerOptions } from "./server.ts";
