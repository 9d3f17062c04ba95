/** Thread — the loaded messages of one conversation: a range without gaps, and then messages that are not stored yet. */

/** @typedef {import("../types.d.ts").Message} Message */
/** @typedef {import("../outbox.js").StoredDraft} StoredDraft */

/**
 * @typedef {object} Pending a message that is not acknowledged yet
 * @property {StoredDraft} draft
 * @property {"sending" | "failed"} status
 * @property {import("../errors.js").ChatError} [error] why it failed
 */

export class Thread {
  /** @type {Map<number, Message>} by seq */
  #messages = new Map();
  /** @type {Map<string, Pending>} by tempId, in order */
  #pending = new Map();
  /** New messages that arrived while a page was read that may end before them. @type {Message[]} */
  #early = [];
  /** What changed while a page was read that may be older: it is applied again to that page. @type {(() => void)[]} */
  #missed = [];
  /** Whether anything was loaded. Before that, the neighbours of a new message are unknown. */
  isLoaded = false;
  hasOlder = true;
  hasNewer = false;
  /** The read under way. A jump takes its place, and what it finds is dropped. @type {object | null} */
  reading = null;

  get isLoading() {
    return this.reading !== null;
  }

  /** By seq. */
  get messages() {
    return [...this.#messages.values()].sort((a, b) => a.seq - b.seq);
  }

  get pending() {
    return [...this.#pending.values()];
  }

  /** The first and the last seq that are loaded; 0 when none are. */
  get ends() {
    const seqs = [...this.#messages.keys()];
    return seqs.length ? { first: Math.min(...seqs), last: Math.max(...seqs) } : { first: 0, last: 0 };
  }

  /**
   * Adds a page that is contiguous with the loaded messages.
   *
   * @param {Message[]} messages
   */
  add(messages) {
    for (const message of messages) this.#messages.set(message.seq, message);
    this.isLoaded = true;
    for (const message of this.#early.splice(0)) if (message.seq === this.ends.last + 1) this.#messages.set(message.seq, message);
    for (const apply of this.#missed.splice(0)) apply();
  }

  /** Begins to read a page. What an earlier read finds is dropped. */
  read() {
    this.#missed = [];
    return (this.reading = {});
  }

  /** Drops the loaded messages, and what a read under way finds. */
  reset() {
    this.#messages.clear();
    this.#early = [];
    this.reading = null;
    this.isLoaded = false;
    this.hasOlder = true;
    this.hasNewer = false;
  }

  /**
   * Adds a new message, if it follows the loaded ones. Otherwise paging will load it.
   *
   * @param {Message} message
   */
  append(message) {
    const { last } = this.ends;
    if (this.hasNewer || !this.isLoaded) {
      if (this.isLoading) this.#early.push(message);
      return;
    }
    if (last === 0 || message.seq <= last + 1) this.#messages.set(message.seq, message);
    else this.hasNewer = true;
  }

  /**
   * @param {number} seq
   * @param {(message: Message) => Message} change
   */
  change(seq, change) {
    this.changeAll((message) => (message.seq === seq ? change(message) : message));
  }

  /** @param {(message: Message) => Message} change of each message, which may be applied twice */
  changeAll(change) {
    this.#apply(() => {
      for (const [seq, message] of this.#messages) this.#messages.set(seq, change(message));
    });
  }

  /** @param {number} seq everything up to it is deleted */
  clear(seq) {
    this.#apply(() => {
      for (const known of [...this.#messages.keys()]) if (known <= seq) this.#messages.delete(known);
      this.hasOlder = false;
    });
  }

  /** @param {() => void} change */
  #apply(change) {
    change();
    if (this.isLoading) this.#missed.push(change);
  }

  /** @param {Pending} pending */
  put(pending) {
    this.#pending.set(pending.draft.tempId, pending);
  }

  /** @param {string | null} tempId of a message that was stored or discarded */
  settle(tempId) {
    if (tempId) this.#pending.delete(tempId);
  }
}
