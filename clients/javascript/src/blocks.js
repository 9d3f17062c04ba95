/**
 * BlockRequests — blocks and unblocks, each until its answer has come. An error names the kind of request but not the
 * username, so one is under way at a time; repeating one is harmless, so a lost connection only means sending again.
 */
import { ChatError } from "./errors.js";
import { COMMAND, EVENT } from "./protocol.js";

const ANSWER_MS = 15_000;
/** @type {Record<string, string>} */
const ANSWERS = { [EVENT.BLOCK_ADDED]: COMMAND.BLOCK_ADD, [EVENT.BLOCK_REMOVED]: COMMAND.BLOCK_REMOVE };

/**
 * @typedef {object} Request
 * @property {string} type
 * @property {string} username
 * @property {(answer: any) => void} resolve
 * @property {(error: ChatError) => void} reject
 */

export class BlockRequests {
  #clock;
  #transmit;
  /** @type {Request[]} the first is under way */
  #queue = [];
  #sent = false;
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
   * @param {string} type `block.add` or `block.remove`
   * @param {string} username
   * @returns {Promise<any>} the answer's payload
   */
  ask(type, username) {
    return new Promise((resolve, reject) => {
      this.#queue.push({ type, username, resolve, reject });
      this.#pump();
    });
  }

  /**
   * Takes an event, which may be the answer; another device's is not.
   *
   * @param {string} type
   * @param {any} payload
   */
  apply(type, payload) {
    const [head] = this.#queue;
    if (head && ANSWERS[type] === head.type && payload.username === head.username) this.#next()?.resolve(payload);
  }

  /**
   * @param {string} type of the request that failed
   * @param {ChatError} error
   */
  refuse(type, error) {
    if (this.#queue[0]?.type === type) this.#next()?.reject(error);
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
    this.#cancelTimer();
    for (const request of this.#queue.splice(0)) request.reject(error);
  }

  #pump() {
    const [head] = this.#queue;
    if (!head || this.#sent || !this.#transmit(head.type, { username: head.username })) return;
    this.#sent = true;
    const late = new ChatError("timeout", `No answer to ${head.type}`, { retryable: true });
    this.#cancelTimer = this.#clock.after(ANSWER_MS, () => this.refuse(head.type, late));
  }

  #next() {
    this.suspend();
    const done = this.#queue.shift();
    this.#pump();
    return done;
  }
}
