// A small pool of things that do one job at a time, with a bounded line of those who wait.
import { DatabaseError, DatabaseErrorCode } from "./errors.ts";

/** PoolOptions sizes a pool. */
export interface PoolOptions<T> {
  size: number;
  /** maxWaiting bounds the line; past it acquire rejects with DatabaseError. */
  maxWaiting: number;
  open: () => T;
}

interface Waiter<T> {
  take: (item: T) => void;
  fail: (error: unknown) => void;
}

/** Pool opens its items when they are first needed and keeps them. */
export class Pool<T> {
  private readonly options: PoolOptions<T>;
  private readonly items: T[] = [];
  private readonly free: T[] = [];
  private readonly waiting: Waiter<T>[] = [];
  private readonly idleWaiters: (() => void)[] = [];
  private closed = false;

  constructor(options: PoolOptions<T>) {
    this.options = options;
  }

  /** busy is the number of items in use. */
  get busy(): number {
    return this.items.length - this.free.length;
  }

  /** acquire resolves with an item that must be given back with release. It rejects with the signal's reason on abort. */
  acquire(timeoutMs: number, signal: AbortSignal | undefined): Promise<T> {
    if (this.closed) return Promise.reject(closedError());
    if (signal?.aborted) return Promise.reject(signal.reason as Error);
    const free = this.free.pop();
    if (free !== undefined) return Promise.resolve(free);
    if (this.items.length < this.options.size) {
      try {
        const item = this.options.open();
        this.items.push(item);
        return Promise.resolve(item);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    if (this.waiting.length >= this.options.maxWaiting) {
      const full = `${this.waiting.length} statements wait for the database already`;
      return Promise.reject(new DatabaseError(DatabaseErrorCode.Busy, full, { retryable: true }));
    }
    return new Promise<T>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        const index = this.waiting.indexOf(waiter);
        if (index >= 0) this.waiting.splice(index, 1);
      };
      const waiter: Waiter<T> = {
        take: (item) => {
          settle();
          resolve(item);
        },
        fail: (error) => {
          settle();
          reject(error);
        },
      };
      const onAbort = (): void => waiter.fail(signal!.reason);
      const timer = setTimeout(() => {
        waiter.fail(
          new DatabaseError(DatabaseErrorCode.Timeout, `no database connection was free within ${timeoutMs} ms`, {
            retryable: true,
          }),
        );
      }, timeoutMs);
      timer.unref();
      signal?.addEventListener("abort", onAbort, { once: true });
      this.waiting.push(waiter);
    });
  }

  /** release gives an item back. */
  release(item: T): void {
    const next = this.closed ? undefined : this.waiting[0];
    if (next) {
      next.take(item);
      return;
    }
    this.free.push(item);
    if (this.busy === 0) for (const resolve of this.idleWaiters.splice(0)) resolve();
  }

  /** close refuses new and waiting callers and resolves with the items once none is in use. */
  async close(): Promise<T[]> {
    this.closed = true;
    // fail takes the waiter out of the list.
    while (this.waiting.length > 0) this.waiting[0].fail(closedError());
    if (this.busy > 0) await new Promise<void>((resolve) => this.idleWaiters.push(resolve));
    return this.items;
  }

  /** inUse lists the items in use now. */
  inUse(): T[] {
    return this.items.filter((item) => !this.free.includes(item));
  }
}

function closedError(): DatabaseError {
  return new DatabaseError(DatabaseErrorCode.Closed, "the database is closed");
}
