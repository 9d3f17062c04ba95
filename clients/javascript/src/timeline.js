/**
 * Timeline — every message once and in order, whether it came live, by replay, or by REST. It connects the gap detector with the
 * recovery that fills gaps.
 */
import { Gaps } from "./gaps.js";
import { EVENT } from "./protocol.js";
import { Recovery } from "./recovery.js";

/**
 * @typedef {object} Item a message that may be held
 * @property {string} type `message.new` or `message.sent`
 * @property {any} payload
 * @property {import("./types.d.ts").EventMeta} meta
 */

export class Timeline {
  #onItem;
  #onLost;
  #ownId;
  /** @type {Gaps<Item>} */
  #gaps = new Gaps();
  #recovery;

  /**
   * @param {object} options
   * @param {import("./rest.js").Rest} options.rest
   * @param {import("./clock.js").Clock} options.clock
   * @param {() => string | null} options.ownId this user's id
   * @param {(item: Item) => void} options.onItem the next message of its conversation
   * @param {(lost: import("./types.d.ts").LostRange) => void} options.onLost
   * @param {(lists: import("./types.d.ts").SyncedLists) => void} options.onSynced
   */
  constructor({ rest, clock, ownId, onItem, onLost, onSynced }) {
    this.#ownId = ownId;
    this.#onItem = onItem;
    this.#onLost = onLost;
    const handlers = {
      onMessage: (/** @type {import("./types.d.ts").Message} */ message) => this.#onFetched(message),
      onLost: (/** @type {import("./types.d.ts").LostRange} */ lost) => this.#onUnfillable(lost),
      onSynced,
    };
    this.#recovery = new Recovery({ rest, gaps: this.#gaps, clock, handlers });
  }

  /**
   * Adds a message from the socket.
   *
   * @param {Item} item
   */
  add(item) {
    const { conversationId, seq } = item.payload.message;
    const verdict = this.#gaps.accept(conversationId, seq, item);
    if (verdict.kind === "next") verdict.ready.forEach(this.#onItem);
    if (verdict.kind === "gap") void this.#recovery.fill(conversationId);
  }

  /**
   * The application has the messages of a conversation up to `seq`.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  track(conversationId, seq) {
    this.#gaps.track(conversationId, seq);
  }

  /**
   * @param {string} conversationId
   * @returns {number | undefined} the seq up to which nothing is missing
   */
  seen(conversationId) {
    return this.#gaps.seen(conversationId);
  }

  /** Whether no message waits for an earlier one, and none must still be read after a connection that was not resumed. */
  get isComplete() {
    return !this.#gaps.isHolding && !this.#recovery.isBehind;
  }

  /**
   * The connection is open.
   *
   * @param {boolean} recovered whether the server sends all that was missed; otherwise it is read
   */
  opened(recovered) {
    if (!recovered) void this.#recovery.resync();
    this.#recovery.resume();
  }

  close() {
    this.#recovery.close();
  }

  /** @param {import("./types.d.ts").Message} message */
  #onFetched(message) {
    const own = message.senderId === this.#ownId();
    const payload = own ? { tempId: null, message } : { message };
    const type = own ? EVENT.MESSAGE_SENT : EVENT.MESSAGE_NEW;
    const verdict = this.#gaps.accept(message.conversationId, message.seq, { type, payload, meta: { source: "rest" } });
    // The reader of this message goes on by itself, so a gap here needs no second reader.
    if (verdict.kind === "next") verdict.ready.forEach(this.#onItem);
  }

  /** @param {import("./types.d.ts").LostRange} lost */
  #onUnfillable(lost) {
    this.#onLost(lost);
    this.#gaps.skip(lost.conversationId).forEach(this.#onItem);
  }
}
