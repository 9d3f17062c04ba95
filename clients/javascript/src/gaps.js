/**
 * Gaps — the order of messages. A conversation numbers its messages 1, 2, 3 … without holes, so whoever sees 7 after 5
 * knows that 6 is missing. Nothing here waits or fetches: it says what to show now and what to fetch.
 *
 * A conversation is known from its first message here, or from `track`. What lies before that is history, not a gap.
 *
 * @template T what is kept for one message until its turn comes
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

  /** Whether anything waits for its turn. */
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
   * Makes a conversation known: the application has its messages up to `seq`. Changes nothing for a known one.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  track(conversationId, seq) {
    if (!this.#progress.has(conversationId)) this.#progress.set(conversationId, { seen: seq, held: new Map() });
  }

  /**
   * A message has come.
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
   * The first hole before what is held, or null.
   *
   * @param {string} conversationId
   */
  hole(conversationId) {
    const { seen, held } = this.#get(conversationId);
    return held.size ? { afterSeq: seen, beforeSeq: Math.min(...held.keys()) } : null;
  }

  /**
   * Gives the first hole up: what is held behind it is shown.
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
 * Takes out what is next in order, and moves on.
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
