// What the operator should know right now, shown by the interface and by /api/v1/notifications.

/** Notification is one line of the list. */
export interface Notification {
  text: string;
  /** date is RFC 3339. */
  date: string;
  active: boolean;
}

// One line per kind of trouble; there are only a handful of kinds, so the list stays short by construction.
export class Notifications {
  private readonly active = new Map<string, Notification>();
  private readonly listeners = new Set<(notification: Notification) => void>();

  /** add shows a text until `clear`; adding it again changes nothing. */
  add(text: string): void {
    if (this.active.has(text)) return;
    const notification = { text, date: new Date().toISOString(), active: true };
    this.active.set(text, notification);
    this.tell(notification);
  }

  clear(text: string): void {
    const notification = this.active.get(text);
    if (!notification) return;
    this.active.delete(text);
    this.tell({ ...notification, active: false });
  }

  list(): Notification[] {
    return [...this.active.values()];
  }

  /** onChange calls back until the returned function is called. */
  onChange(listener: (notification: Notification) => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  private tell(notification: Notification): void {
    for (const listener of this.listeners) listener(notification);
  }
}
