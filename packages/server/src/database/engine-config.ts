// The embedded engine's own configuration. ClickHouse's defaults are for a server that owns its machine; here it
// shares a process and a budget with everything else, so every cache and pool is given a share of that budget.
// Only the engine's own allocations count against it, not the JavaScript heap (measured).

const MIB = 1024 * 1024;

/** EngineLimits is what one embedded engine may take. */
export interface EngineLimits {
  /** memoryBytes bounds everything the engine allocates: queries, merges and caches. */
  memoryBytes: number;
  /** threads is the most threads one query uses. */
  threads: number;
}

/** MIN_ENGINE_MEMORY_BYTES: below this even a merge of small parts is refused. */
export const MIN_ENGINE_MEMORY_BYTES = 128 * MIB;

/** DEFAULT_ENGINE_MEMORY_BYTES is what the engine gets when nobody says otherwise. */
export const DEFAULT_ENGINE_MEMORY_BYTES = 512 * MIB;

/** queryMemoryBytes is the most one statement may take, so that a single bad query cannot starve merges and inserts. */
export function queryMemoryBytes(limits: EngineLimits): number {
  return Math.floor(memoryOf(limits) * 0.6);
}

/** engineConfig writes the configuration file's XML. */
export function engineConfig(limits: EngineLimits): string {
  const memory = memoryOf(limits);
  const share = (part: number, max: number): number => Math.floor(Math.min(memory * part, max));
  const values: Record<string, string | number> = {
    max_server_memory_usage: memory,
    // Caches. The page cache of the operating system holds the files anyway, so these stay small.
    mark_cache_size: share(0.06, 256 * MIB),
    index_mark_cache_size: share(0.02, 64 * MIB),
    primary_index_cache_size: share(0.04, 128 * MIB),
    uncompressed_cache_size: 0,
    index_uncompressed_cache_size: 0,
    vector_similarity_index_cache_size: 0,
    mmap_cache_size: 64,
    compiled_expression_cache_size: 8 * MIB,
    compiled_expression_cache_elements_size: 1_000,
    // Merges may take half of the budget, never all of it.
    merges_mutations_memory_usage_soft_limit: Math.floor(memory / 2),
    // Threads. The defaults (hundreds) each cost a stack and an arena. The pool as a whole is far from its limit at
    // work, but an engine that is closed leaves six threads behind for the next one in the process to find taken.
    max_thread_pool_size: 1_000,
    max_thread_pool_free_size: 16,
    thread_pool_queue_size: 1_000,
    max_io_thread_pool_size: 8,
    max_io_thread_pool_free_size: 2,
    max_active_parts_loading_thread_pool_size: 2,
    max_outdated_parts_loading_thread_pool_size: 1,
    max_parts_cleaning_thread_pool_size: 1,
    tables_loader_foreground_pool_size: 2,
    tables_loader_background_pool_size: 1,
    background_pool_size: 2,
    background_merges_mutations_concurrency_ratio: 2,
    background_move_pool_size: 1,
    background_fetches_pool_size: 1,
    background_common_pool_size: 2,
    background_schedule_pool_size: 4,
    background_buffer_flush_schedule_pool_size: 1,
    background_message_broker_schedule_pool_size: 1,
    background_distributed_schedule_pool_size: 1,
    // The engine looks at the process's memory this often; at its default of 50 ms that alone takes 0.1 % of a core.
    memory_worker_period_ms: 1_000,
  };
  const lines = Object.entries(values).map(([name, value]) => `  <${name}>${value}</${name}>`);
  // No system log table is configured, so none is created.
  return `<clickhouse>
  <!-- Written by Belfry at every start; changes here are lost. -->
  <logger><level>fatal</level><console>false</console></logger>
${lines.join("\n")}
  <query_cache><max_size_in_bytes>0</max_size_in_bytes></query_cache>
  <profiles>
    <default>
      <max_threads>${limits.threads}</max_threads>
      <max_memory_usage>${queryMemoryBytes(limits)}</max_memory_usage>
    </default>
  </profiles>
</clickhouse>
`;
}

function memoryOf(limits: EngineLimits): number {
  return Math.max(Math.floor(limits.memoryBytes), MIN_ENGINE_MEMORY_BYTES);
}
