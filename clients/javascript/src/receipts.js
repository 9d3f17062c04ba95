/**
 * Receipts — "delivered" and "read" marks that wait to be sent. Only the newest mark of a conversation is sent, so bursts become
 * one frame. A mark that may have been lost with its connection is sent again; repeating one changes nothing.
 */
import { COMMAND } from "./protocol.js";

const DEBOUNCE_MS = 250;
// The server accepts 20 events a second on a connection: leave room for all other events.
const BURST = 10;
const BURST_MS = 1_000;
// "Delivered" has no answer: one that was sent within this time before the connection broke may not have arrived.
const DOUBT_MS = 10_000;
const ACKNOWLEDGED = -Infinity;

/** @typedef {{ seq: number, sentAt: number | null }} Mark `sentAt` in milliseconds since the epoch, null when due */

export class Receipts {
  #clock;
  #transmit;
  /** @type {Map<string, Mark>} by conversation */
  #delivered = new Map();
  /** @type {Map<string, Mark>} by conversation, until acknowledged */
  #read = new Map();
  #scheduled = false;
  /** @type {() => void} */
  #cancelTimer = () => {};

  /**
   * @param {object} options
   * @param {import("./clock.js").Clock} options.clock
   * @param {(type: string, payload: object) => boolean} options.transmit
   */
  constructor({ clock, transmit }) {
    this.#clock = clock;
    this.#transmit = transmit;
  }

  /**
   * @param {string} conversationId
   * @param {number} seq this device has everything up to it
   */
  delivered(conversationId, seq) {
    if (raise(this.#delivered, conversationId, seq)) this.#schedule(DEBOUNCE_MS);
  }

  /**
   * @param {string} conversationId
   * @param {number} seq the user has seen everything up to it
   */
  read(conversationId, seq) {
    if (raise(this.#read, conversationId, seq)) this.#schedule(DEBOUNCE_MS);
  }

  /**
   * The server has stored a read mark.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  acknowledge(conversationId, seq) {
    const mark = this.#read.get(conversationId);
    if (mark && mark.seq <= seq) mark.sentAt = ACKNOWLEDGED;
  }

  /**
   * The server refused a mark for now.
   *
   * @param {string} type
   * @param {string} conversationId
   * @param {number} [retryAfter] seconds
   */
  refuse(type, conversationId, retryAfter = 1) {
    const marks = type === COMMAND.MESSAGE_READ ? this.#read : this.#delivered;
    const mark = marks.get(conversationId);
    if (!mark) return;
    mark.sentAt = null;
    this.#schedule(retryAfter * 1000);
  }

  /** The connection is lost: decides which marks must be sent again. */
  suspend() {
    const doubtfulSince = this.#clock.now() - DOUBT_MS;
    for (const mark of this.#read.values()) if (mark.sentAt !== ACKNOWLEDGED) mark.sentAt = null;
    for (const mark of this.#delivered.values()) if ((mark.sentAt ?? 0) >= doubtfulSince) mark.sentAt = null;
  }

  /** The connection is open again. */
  resume() {
    this.#schedule(0);
  }

  close() {
    this.#cancelTimer();
    this.#scheduled = false;
  }

  /** @param {number} delayMs */
  #schedule(delayMs) {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#flush());
  }

  #flush() {
    this.#scheduled = false;
    let room = BURST;
    for (const [type, marks] of /** @type {[string, Map<string, Mark>][]} */ ([
      [COMMAND.MESSAGE_READ, this.#read],
      [COMMAND.MESSAGE_DELIVERED, this.#delivered],
    ])) {
      for (const [conversationId, mark] of marks) {
        if (mark.sentAt !== null) continue;
        if (room-- === 0) return this.#schedule(BURST_MS);
        if (!this.#transmit(type, { conversationId, seq: mark.seq })) return;
        mark.sentAt = this.#clock.now();
      }
    }
  }
}

/**
 * @param {Map<string, Mark>} marks
 * @param {string} conversationId
 * @param {number} seq
 * @returns {boolean} whether the mark rose
 */
function raise(marks, conversationId, seq) {
  if ((marks.get(conversationId)?.seq ?? 0) >= seq) return false;
  marks.set(conversationId, { seq, sentAt: null });
  return true;
}
