import { Alert, Skeleton, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";

/** ErrorState says what went wrong, in the server's words. */
export function ErrorState({ title, error }: { title: string; error: unknown }) {
  return (
    <Alert color="red" variant="light" title={title} role="alert">
      <span className="mono">{error instanceof Error ? error.message : String(error)}</span>
    </Alert>
  );
}

/** EmptyState teaches the next step. */
export function EmptyState({ title, children }: { title: string; children?: ReactNode }) {
  return (
    <Stack align="center" gap={4} py={48}>
      <Text fw={600}>{title}</Text>
      <Text size="sm" className="dim" ta="center" maw={520}>
        {children}
      </Text>
    </Stack>
  );
}

/** LoadingState holds the place of what is coming, so that nothing jumps. */
export function LoadingState({ height }: { height: number }) {
  return <Skeleton height={height} radius="sm" aria-label="Loading" />;
}
