/**
 * Topics — listeners by topic, and snapshots that stay the same object until something changes, as React's
 * `useSyncExternalStore`, Vue's `shallowRef` and Svelte's stores need.
 */
export class Topics {
  /** @type {Map<string, Set<() => void>>} */
  #listeners = new Map();
  /** @type {Map<string, unknown>} */
  #snapshots = new Map();

  /**
   * @param {string} topic
   * @param {() => void} listener called after each change, without a value: read the snapshot
   * @returns {() => void} takes the listener off again
   */
  subscribe(topic, listener) {
    const listeners = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(topic) === listeners) this.#listeners.delete(topic);
    };
  }

  /**
   * @template T
   * @param {string} topic
   * @param {() => T} make called when something changed since the last time
   * @returns {T}
   */
  snapshot(topic, make) {
    if (!this.#snapshots.has(topic)) this.#snapshots.set(topic, make());
    return /** @type {T} */ (this.#snapshots.get(topic));
  }

  /** @param {string[]} topics that changed */
  changed(...topics) {
    for (const topic of topics) this.#snapshots.delete(topic);
    for (const topic of topics) for (const listener of [...(this.#listeners.get(topic) ?? [])]) listener();
  }
}
