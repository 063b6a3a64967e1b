import { createRootRoute, createRoute, createRouter } from "@tanstack/react-router";
import { Shell } from "./components/Shell.tsx";
import { QueryPage } from "./pages/query/QueryPage.tsx";
import { StatusPage } from "./pages/status/StatusPage.tsx";
import { TargetsPage } from "./pages/targets/TargetsPage.tsx";
import { validateQuerySearch } from "./state/query-search.ts";

const rootRoute = createRootRoute({ component: Shell });

/** queryRoute keeps the whole view in the URL: expression, range, end, tab. */
export const queryRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: "/",
  validateSearch: validateQuerySearch,
  component: QueryPage,
});

const targetsRoute = createRoute({ getParentRoute: () => rootRoute, path: "/targets", component: TargetsPage });
const statusRoute = createRoute({ getParentRoute: () => rootRoute, path: "/status", component: StatusPage });

export const router = createRouter({ routeTree: rootRoute.addChildren([queryRoute, targetsRoute, statusRoute]) });

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
