import { ActionIcon, Group, useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { Link, Outlet } from "@tanstack/react-router";

const PAGES = [
  { to: "/", label: "Query" },
  { to: "/targets", label: "Targets" },
  { to: "/status", label: "Status" },
] as const;

/** Shell is the frame around every page. */
export function Shell() {
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme("light");
  const other = scheme === "dark" ? "light" : "dark";
  return (
    <>
      <header
        style={{
          background: "var(--belfry-raised)",
          borderBottom: "1px solid var(--belfry-line)",
          padding: "8px 16px",
        }}
      >
        <Group justify="space-between" wrap="nowrap">
          <Group gap="md" wrap="nowrap">
            <Link
              to="/"
              style={{ display: "flex", alignItems: "center", gap: 8, color: "inherit", textDecoration: "none" }}
            >
              <img src="/favicon.svg" alt="" width={22} height={22} />
              <strong>Belfry</strong>
            </Link>
            <nav aria-label="Pages" style={{ display: "flex", gap: 4 }}>
              {PAGES.map((page) => (
                <Link
                  key={page.to}
                  to={page.to}
                  className="nav-link"
                  activeOptions={{ exact: true, includeSearch: false }}
                >
                  {page.label}
                </Link>
              ))}
            </nav>
          </Group>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Switch to ${other} colours`}
            onClick={() => setColorScheme(other)}
          >
            <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
              <circle cx="8" cy="8" r="6.5" fill="none" stroke="currentColor" strokeWidth="1.5" />
              <path d="M8 1.5a6.5 6.5 0 0 1 0 13Z" fill="currentColor" />
            </svg>
          </ActionIcon>
        </Group>
      </header>
      <main style={{ padding: 16, maxWidth: 1600, margin: "0 auto" }}>
        <Outlet />
      </main>
    </>
  );
}
