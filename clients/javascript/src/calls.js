/**
 * Calls — between the tabs of a browser: calls to the leading tab, its answers, and the events that it publishes. A call without
 * an answer is repeated when another tab takes the lead; all calls are idempotent.
 */
import { ChatError } from "./errors.js";
import { newTempId } from "./drafts.js";

/**
 * @typedef {object} Handlers
 * @property {(method: string, args: any[]) => unknown} onCall while this tab leads
 * @property {(event: any) => void} onEvent the leading tab published something
 * @property {() => void} onLeader another tab has taken the lead
 */

export class Calls {
  /** This tab. */
  id = newTempId();
  #name;
  #handlers;
  #leads = false;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  /** @type {ChatError | null} why no calls are accepted any more */
  #closedBy = null;
  /** @type {Map<string, { method: string, args: any[], resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();

  /**
   * @param {string} name
   * @param {Handlers} handlers
   */
  constructor(name, handlers) {
    this.#name = name;
    this.#handlers = handlers;
  }

  open() {
    this.#channel = new BroadcastChannel(`chat:${this.#name}`);
    this.#channel.onmessage = ({ data }) => this.#receive(data);
    this.#closedBy = null;
    this.#repeat(); // What was asked before.
  }

  /** @param {ChatError} error for all waiting calls */
  close(error) {
    this.#channel?.close();
    this.#channel = null;
    this.#leads = false;
    this.#closedBy = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** This tab leads from now on: it answers its own waiting calls first, then those that the others repeat. */
  lead() {
    this.#leads = true;
    for (const [id, { method, args }] of [...this.#waiting]) this.#run(id, method, args);
    this.#post({ kind: "leader" });
    this.#handlers.onLeader();
  }

  /**
   * @param {string} method
   * @param {any[]} args
   * @returns {Promise<any>}
   */
  ask(method, args) {
    if (this.#closedBy) return Promise.reject(this.#closedBy);
    return new Promise((resolve, reject) => {
      const id = newTempId();
      this.#waiting.set(id, { method, args, resolve, reject });
      if (this.#leads) this.#run(id, method, args);
      else this.#post({ kind: "ask", id, method, args });
    });
  }

  /**
   * @param {string} method
   * @param {any[]} args
   */
  tell(method, args) {
    if (this.#leads) this.#handlers.onCall(method, args);
    else this.#post({ kind: "tell", method, args });
  }

  /** @param {any} event for every tab, this one included */
  publish(event) {
    this.#post({ kind: "event", event });
    this.#handlers.onEvent(event);
  }

  /** @param {any} message */
  #receive(message) {
    if (message.kind === "event") this.#handlers.onEvent(message.event);
    else if (message.kind === "answer") this.#settle(message.id, message.value, message.error);
    else if (message.kind === "leader") this.#onLeader();
    else if (this.#leads && message.kind === "tell") this.#handlers.onCall(message.method, message.args);
    else if (this.#leads && message.kind === "ask") this.#run(message.id, message.method, message.args);
  }

  #onLeader() {
    this.#repeat();
    this.#handlers.onLeader();
  }

  #repeat() {
    for (const [id, { method, args }] of this.#waiting) this.#post({ kind: "ask", id, method, args });
  }

  /**
   * @param {string} id
   * @param {string} method
   * @param {any[]} args
   */
  async #run(id, method, args) {
    try {
      this.#answer(id, await this.#handlers.onCall(method, args), null);
    } catch (error) {
      const { code = "internal_error", message, retryable, retryAfter, status } = /** @type {ChatError} */ (error);
      // The leading tab is closing: the call is repeated to the next one.
      if (code !== "closed") this.#answer(id, null, { code, message, retryable, retryAfter, status });
    }
  }

  /**
   * @param {string} id
   * @param {any} value
   * @param {any} error
   */
  #answer(id, value, error) {
    if (this.#waiting.has(id)) this.#settle(id, value, error);
    else this.#post({ kind: "answer", id, value, error });
  }

  /**
   * @param {string} id
   * @param {any} value
   * @param {any} error
   */
  #settle(id, value, error) {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error) waiting?.reject(ChatError.from(error, error.status));
    else waiting?.resolve(value);
  }

  /** @param {any} message */
  #post(message) {
    this.#channel?.postMessage(message);
  }
}

/** @param {any} value for a BroadcastChannel, which keeps only the message of an error */
export function plain(value) {
  return value instanceof ChatError ? { ...value, message: value.message, isError: true } : value;
}

/** @param {any} value of a BroadcastChannel */
export function revived(value) {
  return value?.isError ? ChatError.from(value, value.status) : value;
}
