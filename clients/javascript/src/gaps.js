/**
 * Gaps — the order of messages. A conversation numbers its messages 1, 2, 3 … without gaps, so a client that sees 7 after 5 knows
 * that 6 is missing. Nothing here waits or fetches. It tells what to show now, and what to fetch.
 *
 * A conversation is known from its first message here, or from `track`. Earlier messages are history, not a gap.
 *
 * @template T what is kept for a held message
 */

/**
 * @typedef {{ kind: "duplicate" } | { kind: "held" } | { kind: "next", ready: any[] }
 *   | { kind: "gap", afterSeq: number, beforeSeq: number }} Verdict
 *   `ready` in order; for a gap, the seqs strictly between the two are missing
 */

/** @typedef {{ seen: number, held: Map<number, any> }} Progress */

/** @template T */
export class Gaps {
  /** @type {Map<string, Progress>} */
  #progress = new Map();

  /** The conversations known here. */
  get conversations() {
    return [...this.#progress.keys()];
  }

  /** Whether any message is held. */
  get isHolding() {
    for (const { held } of this.#progress.values()) if (held.size) return true;
    return false;
  }

  /**
   * The last seq up to which nothing is missing; undefined for an unknown conversation.
   *
   * @param {string} conversationId
   */
  seen(conversationId) {
    return this.#progress.get(conversationId)?.seen;
  }

  /**
   * Tells that the application has a conversation's messages up to `seq`. It changes nothing for a known conversation.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  track(conversationId, seq) {
    if (!this.#progress.has(conversationId)) this.#progress.set(conversationId, { seen: seq, held: new Map() });
  }

  /**
   * Handles a message that has arrived.
   *
   * @param {string} conversationId
   * @param {number} seq
   * @param {T} item
   * @returns {Verdict}
   */
  accept(conversationId, seq, item) {
    this.track(conversationId, seq - 1);
    const progress = this.#get(conversationId);
    if (seq <= progress.seen || progress.held.has(seq)) return { kind: "duplicate" };
    progress.held.set(seq, item);
    if (seq === progress.seen + 1) return { kind: "next", ready: release(progress) };
    return progress.held.size > 1 ? { kind: "held" } : { kind: "gap", afterSeq: progress.seen, beforeSeq: seq };
  }

  /**
   * The first gap before the held messages, or null.
   *
   * @param {string} conversationId
   */
  hole(conversationId) {
    const { seen, held } = this.#get(conversationId);
    return held.size ? { afterSeq: seen, beforeSeq: Math.min(...held.keys()) } : null;
  }

  /**
   * Gives the first gap up, and returns the messages that were held after it.
   *
   * @param {string} conversationId
   * @returns {T[]} in order
   */
  skip(conversationId) {
    const progress = this.#get(conversationId);
    if (!progress.held.size) return [];
    progress.seen = Math.min(...progress.held.keys()) - 1;
    return release(progress);
  }

  /**
   * @param {string} conversationId
   * @returns {Progress}
   */
  #get(conversationId) {
    return this.#progress.get(conversationId) ?? { seen: 0, held: new Map() };
  }
}

/**
 * Removes and returns the next messages in order.
 *
 * @param {Progress} progress
 */
function release(progress) {
  const ready = [];
  while (progress.held.has(progress.seen + 1)) {
    ready.push(progress.held.get(++progress.seen));
    progress.held.delete(progress.seen);
  }
  return ready;
}
