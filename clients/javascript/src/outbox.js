/**
 * Outbox — messages under way. Each is sent again, with the same `tempId`, until the server has stored it or refuses it
 * permanently.
 *
 * One message of a conversation is in flight at a time: so messages keep their order when one is refused temporarily (by a rate
 * limit or a time-out).
 */
import { fullJitter } from "./backoff.js";
import { ChatError } from "./errors.js";

const ACK_MS = 15_000;
/** A working connection answers within this time; otherwise the connection is checked. */
const UNANSWERED_MS = 4_000;

/**
 * @typedef {object} Entry
 * @property {import("./types.d.ts").Draft & { tempId: string }} draft
 * @property {(message: import("./types.d.ts").Message) => void} resolve
 * @property {(error: ChatError) => void} reject
 * @property {boolean} stored in the storage, if there is one; not sent before
 * @property {boolean} inFlight
 * @property {number} attempts
 * @property {number} notBefore milliseconds since the epoch
 * @property {() => void} cancelTimer
 * @property {() => void} cancelDoubt
 */

/** @typedef {import("./types.d.ts").Draft & { tempId: string }} StoredDraft */

export class Outbox {
  #clock;
  #transmit;
  #limit;
  /** @type {Map<string, Entry[]>} by conversation, the oldest first */
  #queues = new Map();
  #pausedUntil = 0;
  #onUnanswered;
  /** @type {ChatError | null} why no messages are accepted any more */
  #closedBy = null;
  #keep;

  /**
   * @param {object} options
   * @param {import("./clock.js").Clock} options.clock
   * @param {(draft: import("./types.d.ts").Draft) => boolean} options.transmit false when there is no connection
   * @param {number} options.limit messages that may wait, all conversations together
   * @param {() => void} [options.onUnanswered] a message has had no answer for some seconds
   * @param {(drafts: StoredDraft[]) => Promise<void>} [options.keep] stores what waits
   */
  constructor({ clock, transmit, limit, onUnanswered = () => {}, keep }) {
    this.#clock = clock;
    this.#transmit = transmit;
    this.#limit = limit;
    this.#onUnanswered = onUnanswered;
    this.#keep = keep;
  }

  get size() {
    let size = 0;
    for (const queue of this.#queues.values()) size += queue.length;
    return size;
  }

  /**
   * Accepts a message, and starts to send it.
   *
   * @param {import("./types.d.ts").Draft & { tempId: string }} draft
   * @returns {Promise<import("./types.d.ts").Message>} the stored message; rejects when closed
   * @throws {ChatError} `outbox_full`, `duplicate_temp_id`
   */
  add(draft) {
    if (this.#closedBy) return Promise.reject(this.#closedBy);
    if (this.size >= this.#limit) throw new ChatError("outbox_full", `${this.#limit} messages wait already`);
    if (this.#find(draft.conversationId, draft.tempId)) {
      throw new ChatError("duplicate_temp_id", `${draft.tempId} is on its way already`);
    }
    const { entry, settled } = newEntry(draft);
    this.#queues.set(draft.conversationId, [...this.#waiting(draft.conversationId), entry]);
    if (this.#keep) void this.#store(entry, this.#keep);
    else this.#ready(entry);
    return settled;
  }

  /**
   * Adds the messages that an earlier process left, before those of this one.
   *
   * @param {StoredDraft[]} drafts
   * @returns {{ draft: StoredDraft, settled: Promise<import("./types.d.ts").Message> }[]} the result of each
   */
  restore(drafts) {
    const left = drafts.filter((draft) => !this.#find(draft.conversationId, draft.tempId));
    const restored = left.map((draft) => ({ draft, ...newEntry(draft) }));
    for (const { draft, entry } of [...restored].reverse()) {
      this.#queues.set(draft.conversationId, [entry, ...this.#waiting(draft.conversationId)]);
    }
    restored.forEach(({ entry }) => this.#ready(entry));
    return restored.map(({ draft, settled }) => ({ draft, settled }));
  }

  /** The waiting messages, oldest first in each conversation. */
  get drafts() {
    return [...this.#queues.values()].flat().map(({ draft }) => draft);
  }

  /**
   * @param {Entry} entry
   * @param {(drafts: StoredDraft[]) => Promise<void>} keep
   */
  async #store(entry, keep) {
    // When the storage fails, for example because it is full, the message is sent nevertheless.
    await keep(this.drafts).catch(() => {});
    this.#ready(entry);
  }

  /** @param {Entry} entry */
  #ready(entry) {
    entry.stored = true;
    this.#pump(entry.draft.conversationId);
  }

  /** @param {string} conversationId */
  #waiting(conversationId) {
    return this.#queues.get(conversationId) ?? [];
  }

  /** The connection is open: sends everything again that was in flight before. */
  resume() {
    for (const conversationId of [...this.#queues.keys()]) this.#pump(conversationId);
  }

  /** The connection is lost: messages in flight may or may not have arrived. */
  suspend() {
    for (const [head] of this.#queues.values()) {
      head.inFlight = false;
      head.notBefore = 0;
      head.cancelTimer();
      head.cancelDoubt();
    }
  }

  /**
   * The server has stored a message.
   *
   * @param {string | null | undefined} tempId
   * @param {import("./types.d.ts").Message} message
   */
  settle(tempId, message) {
    const entry = tempId ? this.#find(message.conversationId, tempId) : undefined;
    if (!entry) return;
    this.#remove(entry);
    entry.resolve(message);
  }

  /**
   * The server has refused a message, temporarily or permanently.
   *
   * @param {string} conversationId
   * @param {string} tempId
   * @param {ChatError} error
   */
  refuse(conversationId, tempId, error) {
    const entry = this.#find(conversationId, tempId);
    if (!entry) return;
    if (!error.retryable) return this.#fail(entry, error);
    const { random } = this.#clock;
    const floorMs = (error.retryAfter ?? 0) * 1000;
    // An outage ends for all clients at the same time. With exponential back-off a client would notice it late.
    const jitterMs = error.code === "send_failed" && floorMs ? random() * floorMs : fullJitter(entry.attempts, random);
    const delayMs = floorMs + jitterMs;
    // The limit counts the user's messages in all conversations, so the other conversations wait too.
    if (error.retryAfter) this.#pausedUntil = this.#clock.now() + delayMs;
    this.#retry(entry, delayMs);
  }

  /**
   * Discards a message. If it was in flight, it may have been stored nevertheless.
   *
   * @param {string} tempId
   * @returns {boolean} whether it was waiting here
   */
  discard(tempId) {
    for (const conversationId of this.#queues.keys()) {
      const entry = this.#find(conversationId, tempId);
      if (!entry) continue;
      this.#fail(entry, new ChatError("discarded", "Discarded before it was acknowledged"));
      return true;
    }
    return false;
  }

  /**
   * The server closed because a frame was too big: fails the largest message in flight, which must be the reason.
   *
   * @param {ChatError} error
   * @returns {boolean} whether there was one
   */
  failLargestInFlight(error) {
    const inFlight = [...this.#queues.values()].map(([head]) => head).filter((head) => head.inFlight);
    const sizes = inFlight.map((entry) => JSON.stringify(entry.draft).length);
    const largest = inFlight[sizes.indexOf(Math.max(...sizes))];
    if (largest) this.#fail(largest, error);
    return largest !== undefined;
  }

  /** Accepts messages again after a `close`. */
  open() {
    this.#closedBy = null;
  }

  /** @param {ChatError} error for all waiting and later messages */
  close(error) {
    this.#closedBy = error;
    const entries = [...this.#queues.values()].flat();
    this.#queues.clear();
    for (const entry of entries) {
      entry.cancelTimer();
      entry.cancelDoubt();
      entry.reject(error);
    }
  }

  /** @param {string} conversationId */
  #pump(conversationId) {
    const entry = this.#queues.get(conversationId)?.[0];
    if (!entry || !entry.stored || entry.inFlight) return;
    const waitMs = Math.max(this.#pausedUntil, entry.notBefore) - this.#clock.now();
    if (waitMs > 0) return this.#retry(entry, waitMs);
    if (!this.#transmit(entry.draft)) return;
    entry.cancelTimer();
    entry.inFlight = true;
    entry.attempts++;
    entry.cancelTimer = this.#clock.after(ACK_MS, () => this.#retry(entry, 0));
    entry.cancelDoubt = this.#clock.after(UNANSWERED_MS, this.#onUnanswered);
  }

  /**
   * @param {Entry} entry
   * @param {number} delayMs
   */
  #retry(entry, delayMs) {
    entry.cancelTimer();
    entry.cancelDoubt();
    entry.inFlight = false;
    entry.notBefore = this.#clock.now() + delayMs;
    entry.cancelTimer = this.#clock.after(delayMs, () => this.#pump(entry.draft.conversationId));
  }

  /**
   * @param {Entry} entry
   * @param {ChatError} error
   */
  #fail(entry, error) {
    this.#remove(entry);
    entry.reject(error);
  }

  /** @param {Entry} entry */
  #remove(entry) {
    entry.cancelTimer();
    entry.cancelDoubt();
    const { conversationId } = entry.draft;
    const rest = this.#waiting(conversationId).filter((other) => other !== entry);
    if (rest.length) this.#queues.set(conversationId, rest);
    else this.#queues.delete(conversationId);
    void this.#keep?.(this.drafts).catch(() => {});
    this.#pump(conversationId);
  }

  /**
   * @param {string} conversationId
   * @param {string} tempId
   */
  #find(conversationId, tempId) {
    return this.#queues.get(conversationId)?.find(({ draft }) => draft.tempId === tempId);
  }
}

/**
 * @param {StoredDraft} draft
 * @returns {{ entry: Entry, settled: Promise<import("./types.d.ts").Message> }} `settled` is the result
 */
function newEntry(draft) {
  const flags = { stored: false, inFlight: false, attempts: 0, notBefore: 0, cancelTimer: () => {}, cancelDoubt: () => {} };
  /** @type {any} */
  let handlers;
  const settled = new Promise((resolve, reject) => (handlers = { resolve, reject }));
  return { entry: { draft, ...handlers, ...flags }, settled };
}
