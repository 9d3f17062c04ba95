/**
 * Typing — both directions. Outgoing: one `typing.start` covers two seconds of key presses. Incoming: an indicator ends by itself
 * when its `typing.stop` is lost.
 */
import { COMMAND } from "./protocol.js";

const REPEAT_MS = 2_000;
const LATE_MS = 500;
const DEFAULT_EXPIRY_MS = 3_000;

export class TypingThrottle {
  #clock;
  #transmit;
  /** @type {Map<string, number>} by conversation: when the last start left */
  #startedAt = new Map();

  /**
   * @param {object} options
   * @param {import("./clock.js").Clock} options.clock
   * @param {(type: string, payload: object) => boolean} options.transmit
   */
  constructor({ clock, transmit }) {
    this.#clock = clock;
    this.#transmit = transmit;
  }

  /** @param {string} conversationId where the user typed something just now */
  start(conversationId) {
    const startedAt = this.#startedAt.get(conversationId) ?? -Infinity;
    if (this.#clock.now() - startedAt < REPEAT_MS) return;
    if (this.#transmit(COMMAND.TYPING_START, { conversationId })) this.#startedAt.set(conversationId, this.#clock.now());
  }

  /** @param {string} conversationId */
  stop(conversationId) {
    if (this.#startedAt.delete(conversationId)) this.#transmit(COMMAND.TYPING_STOP, { conversationId });
  }

  /** @param {string} conversationId where a message was sent, which the server treats as a stop */
  sent(conversationId) {
    this.#startedAt.delete(conversationId);
  }
}

export class TypingIndicators {
  #clock;
  #onStop;
  /** @type {Map<string, () => void>} cancels the expiry, by conversation and user */
  #live = new Map();

  /**
   * @param {object} options
   * @param {import("./clock.js").Clock} options.clock
   * @param {(who: { conversationId: string, userId: string }) => void} options.onStop no stop came in time
   */
  constructor({ clock, onStop }) {
    this.#clock = clock;
    this.#onStop = onStop;
  }

  /** @param {{ conversationId: string, userId: string, expiresInMs?: number }} start */
  started({ conversationId, userId, expiresInMs = DEFAULT_EXPIRY_MS }) {
    this.stopped({ conversationId, userId });
    const cancel = this.#clock.after(expiresInMs + LATE_MS, () => {
      this.#live.delete(key(conversationId, userId));
      this.#onStop({ conversationId, userId });
    });
    this.#live.set(key(conversationId, userId), cancel);
  }

  /** @param {{ conversationId: string, userId: string }} who */
  stopped({ conversationId, userId }) {
    this.#live.get(key(conversationId, userId))?.();
    this.#live.delete(key(conversationId, userId));
  }

  close() {
    for (const cancel of this.#live.values()) cancel();
    this.#live.clear();
  }
}

/**
 * @param {string} conversationId
 * @param {string} userId
 */
function key(conversationId, userId) {
  return `${conversationId} ${userId}`;
}
