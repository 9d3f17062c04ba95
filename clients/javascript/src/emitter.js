/** Emitter — passes named events to listeners. A listener that throws affects neither the others nor the client. */
export class Emitter {
  /** @type {Map<string, Set<(payload: any, meta: any) => void>>} */
  #listeners = new Map();

  /**
   * @param {string} type
   * @param {(payload: any, meta: any) => void} listener
   * @returns {() => void} takes the listener off again
   */
  on(type, listener) {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  /**
   * @param {string} type
   * @param {unknown} payload
   * @param {unknown} [meta]
   */
  emit(type, payload, meta) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) {
      try {
        listener(payload, meta);
      } catch (error) {
        // Thrown as a separate uncaught error, so that the application's error reporting sees it.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
