/**
 * Requests — commands that are answered by an event, until the answer has come: blocks, edits, deletions, reactions.
 *
 * An error names the kind of request, but not always which one, so only one is under way at a time. All are idempotent, so after
 * a lost connection or a rate limit they are sent again.
 */
import { fullJitter } from "./backoff.js";
import { ChatError } from "./errors.js";

const ANSWER_MS = 15_000;
const ATTEMPTS = 5;

/**
 * @typedef {object} Request
 * @property {string} type
 * @property {Record<string, unknown>} payload
 * @property {(type: string, payload: any) => boolean} isAnswer
 * @property {number} attempts
 * @property {(answer: any) => void} resolve
 * @property {(error: ChatError) => void} reject
 */

export class Requests {
  #clock;
  #transmit;
  #limit;
  /** @type {Request[]} the first is under way */
  #queue = [];
  #sent = false;
  /** @type {() => void} */
  #cancelTimer = () => {};

  /**
   * @param {object} options
   * @param {import("./clock.js").Clock} options.clock
   * @param {(type: string, payload: object) => boolean} options.transmit
   * @param {number} options.limit requests that may wait
   */
  constructor({ clock, transmit, limit }) {
    this.#clock = clock;
    this.#transmit = transmit;
    this.#limit = limit;
  }

  /**
   * @param {string} type of the command
   * @param {Record<string, unknown>} payload
   * @param {(type: string, payload: any) => boolean} isAnswer whether an event is the answer
   * @returns {Promise<any>} the answer's payload
   */
  ask(type, payload, isAnswer) {
    return new Promise((resolve, reject) => {
      if (this.#queue.length >= this.#limit) return reject(new ChatError("outbox_full", `${this.#limit} requests wait already`));
      this.#queue.push({ type, payload, isAnswer, attempts: 0, resolve, reject });
      this.#pump();
    });
  }

  /**
   * Handles an event, which may be the answer.
   *
   * @param {string} type
   * @param {any} payload
   */
  apply(type, payload) {
    if (this.#queue[0]?.isAnswer(type, payload)) this.#next()?.resolve(payload);
  }

  /**
   * @param {{ type?: string, tempId?: string, conversationId?: string }} ref which request failed
   * @param {ChatError} error
   */
  refuse(ref, error) {
    const [head] = this.#queue;
    if (!head || head.type !== ref.type || !isSame(head.payload, ref)) return;
    if (!error.retryable || head.attempts >= ATTEMPTS) return this.#next()?.reject(error);
    const waitMs = (error.retryAfter ?? 0) * 1000 + fullJitter(head.attempts, this.#clock.random);
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(waitMs, () => this.#again());
  }

  suspend() {
    this.#sent = false;
    this.#cancelTimer();
  }

  resume() {
    this.#pump();
  }

  /** @param {ChatError} error */
  close(error) {
    this.suspend();
    for (const request of this.#queue.splice(0)) request.reject(error);
  }

  #again() {
    this.#sent = false;
    this.#pump();
  }

  #pump() {
    const [head] = this.#queue;
    if (!head || this.#sent || !this.#transmit(head.type, head.payload)) return;
    this.#sent = true;
    head.attempts++;
    const late = new ChatError("timeout", `No answer to ${head.type}`, { retryable: true });
    this.#cancelTimer = this.#clock.after(ANSWER_MS, () => this.refuse({ type: head.type }, late));
  }

  #next() {
    this.suspend();
    const done = this.#queue.shift();
    this.#pump();
    return done;
  }
}

/**
 * Whether an error's reference fits a request.
 *
 * @param {Record<string, unknown>} payload
 * @param {{ tempId?: string, conversationId?: string }} ref
 */
function isSame(payload, { tempId, conversationId }) {
  return (tempId === undefined || tempId === payload.tempId) && (conversationId === undefined || conversationId === payload.conversationId);
}
