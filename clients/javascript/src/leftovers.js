/**
 * Leftovers — messages without an acknowledgement, in a storage that survives the page or process. The next client of the same
 * user sends them.
 */

/** @typedef {import("./outbox.js").StoredDraft} StoredDraft */

export class Leftovers {
  #value;
  /** @type {Promise<{ userId: string | null, drafts: StoredDraft[] } | null>} what an earlier process left */
  #left;
  /** Messages that are not sent yet. @type {StoredDraft[]} */
  #waiting = [];
  /** @type {string | null} */
  #userId = null;
  #paused = false;
  /** @type {() => void} */
  #takeUp = () => {};
  /** @type {Promise<void>} */
  #takenUp;

  /** @param {import("./storage.js").StoredValue} value */
  constructor(value) {
    this.#value = value;
    this.#left = this.#read();
    this.#takenUp = new Promise((resolve) => (this.#takeUp = resolve));
  }

  /** Reads the stored messages again, after a pause. */
  load() {
    if (!this.#paused) return;
    this.#paused = false;
    this.#left = this.#read();
    this.#takenUp = new Promise((resolve) => (this.#takeUp = resolve));
  }

  /** Keeps the stored messages from now on, because the client closes. */
  pause() {
    this.#paused = true;
  }

  /**
   * Stores what waits.
   *
   * @param {StoredDraft[]} drafts
   * @returns {Promise<void>} when they are stored, after earlier leftovers, and may be sent; rejects when they can't be stored
   */
  async keep(drafts) {
    if (this.#paused) return;
    await this.#left;
    try {
      const all = [...this.#waiting, ...drafts];
      await this.#value.write(all.length ? { userId: this.#userId, drafts: all } : null);
    } finally {
      await this.#takenUp;
    }
  }

  /**
   * Sends the messages that an earlier process of this user left, once.
   *
   * @param {string} userId
   * @param {import("./outbox.js").Outbox} outbox
   * @returns {Promise<ReturnType<import("./outbox.js").Outbox["restore"]>>}
   */
  async restore(userId, outbox) {
    const left = await this.#left;
    this.#userId = userId;
    this.#left = Promise.resolve(null);
    this.#waiting = [];
    const restored = left && (left.userId ?? userId) === userId ? outbox.restore(left.drafts) : [];
    this.#takeUp();
    return restored;
  }

  async #read() {
    const left = await this.#value.read();
    // What another program keeps under this key is none of ours.
    if (!Array.isArray(left?.drafts)) return null;
    this.#waiting = left.drafts;
    this.#userId = left.userId ?? this.#userId;
    return left;
  }
}
