/**
 * Recovery — reads over REST what the socket did not bring: single gaps, and everything after a reconnect that the
 * server could not resume (`recovered: false`). What it finds goes the same way as live messages do.
 */
import { fullJitter } from "./backoff.js";
import { pause } from "./clock.js";

const PAGE = 100;
const GAP_ATTEMPTS = 6;

export class Recovery {
  #rest;
  #gaps;
  #clock;
  #handlers;
  /** @type {Map<string, Promise<void>>} conversations that are being filled */
  #filling = new Map();
  #wanted = 0;
  #running = false;
  #closed = false;

  /**
   * @param {object} options
   * @param {import("./rest.js").Rest} options.rest
   * @param {import("./gaps.js").Gaps<unknown>} options.gaps
   * @param {import("./clock.js").Clock} options.clock
   * @param {object} options.handlers
   * @param {(message: import("./types.d.ts").Message) => void} options.handlers.onMessage
   * @param {(lost: import("./types.d.ts").LostRange) => void} options.handlers.onLost a gap that can't be filled
   * @param {(conversations: import("./types.d.ts").Conversation[]) => void} options.handlers.onSynced
   */
  constructor({ rest, gaps, clock, handlers }) {
    this.#rest = rest;
    this.#gaps = gaps;
    this.#clock = clock;
    this.#handlers = handlers;
  }

  /**
   * Fills the hole in front of what is held; does nothing while that is under way.
   *
   * @param {string} conversationId
   * @returns {Promise<void>} never rejects
   */
  fill(conversationId) {
    let filling = this.#filling.get(conversationId);
    if (!filling) {
      filling = this.#fillHoles(conversationId).finally(() => this.#filling.delete(conversationId));
      this.#filling.set(conversationId, filling);
    }
    return filling;
  }

  /** Brings every known conversation up to date. Asked again while it runs, it runs once more. */
  async resync() {
    this.#wanted++;
    if (this.#running) return;
    this.#running = true;
    while (this.#wanted > 0 && !this.#closed) {
      this.#wanted = 0;
      const conversations = await this.#persist(() => this.#rest.conversations(), Infinity);
      for (const { id, lastSeq } of conversations ?? []) await this.#catchUp(id, lastSeq);
      if (conversations && !this.#closed) this.#handlers.onSynced(conversations);
    }
    this.#running = false;
  }

  close() {
    this.#closed = true;
  }

  /**
   * @param {string} conversationId
   * @param {number} lastSeq
   */
  async #catchUp(conversationId, lastSeq) {
    const seen = this.#gaps.seen(conversationId);
    if (seen === undefined || seen >= lastSeq) return;
    if (!(await this.#read(conversationId, seen, lastSeq))) {
      this.#handlers.onLost({ conversationId, afterSeq: seen, beforeSeq: lastSeq + 1 });
    }
  }

  /** @param {string} conversationId */
  async #fillHoles(conversationId) {
    for (let hole = this.#gaps.hole(conversationId); hole && !this.#closed; hole = this.#gaps.hole(conversationId)) {
      await this.#read(conversationId, hole.afterSeq, hole.beforeSeq - 1);
      const left = this.#gaps.hole(conversationId);
      // Still open although all was read or tried: better to show what came after it than to show nothing more.
      if (left && left.beforeSeq <= hole.beforeSeq) this.#handlers.onLost({ conversationId, ...left });
    }
  }

  /**
   * Reads the messages after `afterSeq` up to `lastSeq` and hands them over.
   *
   * @param {string} conversationId
   * @param {number} afterSeq
   * @param {number} lastSeq
   * @returns {Promise<boolean>} whether all could be read
   */
  async #read(conversationId, afterSeq, lastSeq) {
    while (afterSeq < lastSeq && !this.#closed) {
      const limit = Math.min(PAGE, lastSeq - afterSeq);
      const read = () => this.#rest.messages(conversationId, { afterSeq, limit });
      const messages = await this.#persist(read, GAP_ATTEMPTS);
      if (!messages?.length || this.#closed) return false;
      for (const message of messages) this.#handlers.onMessage(message);
      afterSeq = messages[messages.length - 1].seq;
    }
    return true;
  }

  /**
   * Tries again for as long as a retry can help.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @param {number} attempts
   * @returns {Promise<T | null>} null when it failed for good
   */
  async #persist(work, attempts) {
    for (let attempt = 0; attempt < attempts && !this.#closed; attempt++) {
      try {
        return await work();
      } catch (error) {
        const { retryable, retryAfter } = /** @type {import("./errors.js").ChatError} */ (error);
        if (!retryable) return null;
        await pause(this.#clock, (retryAfter ?? 0) * 1000 + fullJitter(attempt, this.#clock.random));
      }
    }
    return null;
  }
}
