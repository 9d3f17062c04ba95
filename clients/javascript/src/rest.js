/**
 * Rest — the HTTP side of the service, with the same token. Every call rejects with ChatError.
 *
 * Each call may be repeated without harm, so one that got no answer (a changed network, a restarted server) goes once more.
 */
import { parseRetryAfter } from "./backoff.js";
import { pause } from "./clock.js";
import { ChatError } from "./errors.js";

const TIMEOUT_MS = 15_000;
const PAGE = 100;
const RETRY_MS = 500;

/** @typedef {import("./types.d.ts").Conversation} Conversation */
/** @typedef {import("./types.d.ts").Message} Message */

export class Rest {
  #baseUrl;
  #tokens;
  #fetch;
  #clock;

  /**
   * @param {object} options
   * @param {string} options.baseUrl
   * @param {import("./tokens.js").Tokens} options.tokens
   * @param {typeof fetch} options.fetch
   * @param {import("./clock.js").Clock} options.clock
   */
  constructor({ baseUrl, tokens, fetch, clock }) {
    this.#baseUrl = baseUrl;
    this.#tokens = tokens;
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /**
   * The direct conversation with a user, made when there is none.
   *
   * @param {{ username: string } | { userId: string }} other
   * @returns {Promise<Conversation>}
   */
  openConversation(other) {
    return this.#call("POST", "/chat/conversations", other);
  }

  /** @returns {Promise<Conversation[]>} all, newest first */
  conversations() {
    return this.#all("/chat/conversations");
  }

  /**
   * @param {string} id
   * @returns {Promise<Conversation>}
   */
  conversation(id) {
    return this.#call("GET", `/chat/conversations/${encodeURIComponent(id)}`);
  }

  /**
   * One page of messages: the first after `afterSeq`, or the last before `beforeSeq`, or the newest.
   *
   * @param {string} conversationId
   * @param {{ afterSeq?: number, beforeSeq?: number, limit?: number }} [range]
   * @returns {Promise<Message[]>} by seq, ascending
   */
  async messages(conversationId, range = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(range)) if (value !== undefined) query.set(name, String(value));
    const path = `/chat/conversations/${encodeURIComponent(conversationId)}/messages?${query}`;
    const { items } = await this.#call("GET", path);
    return items.sort((/** @type {Message} */ a, /** @type {Message} */ b) => a.seq - b.seq);
  }

  /** @returns {Promise<{ total: number, conversations: Record<string, number> }>} */
  unread() {
    return this.#call("GET", "/chat/unread");
  }

  /** @returns {Promise<import("./types.d.ts").Block[]>} */
  blocks() {
    return this.#all("/chat/blocks");
  }

  /** @returns {Promise<import("./types.d.ts").User>} */
  me() {
    return this.#call("GET", "/chat/users/me");
  }

  /**
   * @param {{ displayName?: string, avatar?: string | null }} changes
   * @returns {Promise<import("./types.d.ts").User>}
   */
  updateMe(changes) {
    return this.#call("PATCH", "/chat/users/me", changes);
  }

  /**
   * @param {string} username who is a friend, with visible status, once both follow each other
   * @returns {Promise<import("./types.d.ts").Follow>}
   */
  follow(username) {
    return this.#call("PUT", `/chat/follows/${encodeURIComponent(username)}`);
  }

  /**
   * @param {string} username
   * @returns {Promise<import("./types.d.ts").Follow>}
   */
  unfollow(username) {
    return this.#call("DELETE", `/chat/follows/${encodeURIComponent(username)}`);
  }

  /** @returns {Promise<import("./types.d.ts").Friend[]>} */
  friends() {
    return this.#all("/chat/friends");
  }

  /**
   * @param {string[]} userIds at most 100
   * @returns {Promise<import("./types.d.ts").Presence[]>} of friends only
   */
  presence(userIds) {
    return this.#all(`/chat/presence?${userIds.map((id) => `userId=${encodeURIComponent(id)}`).join("&")}`);
  }

  /** @returns {Promise<{ publicKey: string }>} the VAPID key, base64url */
  pushKey() {
    return this.#call("GET", "/chat/push/key");
  }

  /** @param {object} subscription a W3C PushSubscription, or its JSON */
  subscribePush(subscription) {
    return this.#call("PUT", "/chat/push/subscriptions", subscription);
  }

  /** @param {string} endpoint */
  unsubscribePush(endpoint) {
    return this.#call("DELETE", "/chat/push/subscriptions", { endpoint });
  }

  /**
   * A whole list, page by page; a list without pages is taken as it is.
   *
   * @param {string} path
   * @returns {Promise<any[]>}
   */
  async #all(path) {
    const items = [];
    let page = null;
    do {
      const query = `${path.includes("?") ? "&" : "?"}limit=${PAGE}${page ? `&page=${encodeURIComponent(page)}` : ""}`;
      const answer = await this.#call("GET", path + query);
      if (Array.isArray(answer)) return answer;
      items.push(...answer.items);
      page = answer.nextPage;
    } while (page);
    return items;
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   * @returns {Promise<any>} the answer's JSON, null when it has none
   */
  async #call(method, path, body) {
    let answer = await this.#attempt(method, path, "get", body).catch(async () => {
      await pause(this.#clock, RETRY_MS * (0.5 + this.#clock.random()));
      return this.#attempt(method, path, "get", body);
    });
    if (answer.status === 401) answer = await this.#attempt(method, path, "renew", body);
    const text = await answer.text();
    if (answer.ok) return text ? JSON.parse(text) : null;
    throw this.#failure(answer, text);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {"get" | "renew"} token where it comes from
   * @param {object} [body]
   */
  async #attempt(method, path, token, body) {
    return this.#request(method, path, await this.#token(token), body);
  }

  /** @param {"get" | "renew"} how */
  async #token(how) {
    try {
      return await this.#tokens[how]();
    } catch (cause) {
      throw new ChatError("network", `No token: ${cause}`, { retryable: true });
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {string} token
   * @param {object} [body]
   */
  async #request(method, path, token, body) {
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${token}` };
    if (body) headers["Content-Type"] = "application/json";
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      return await this.#fetch(this.#baseUrl + path, { method, headers, body: body && JSON.stringify(body), signal });
    } catch (cause) {
      throw new ChatError("network", `${method} ${path}: ${cause}`, { retryable: true });
    }
  }

  /**
   * @param {Response} answer
   * @param {string} text
   */
  #failure({ status, headers }, text) {
    const retryable = status === 429 || status >= 500;
    const retryAfter = parseRetryAfter(headers.get("Retry-After"), this.#clock.now());
    try {
      const { error } = JSON.parse(text);
      return new ChatError(error.code, error.message, { retryable, retryAfter, status });
    } catch {
      return new ChatError("internal_error", `HTTP ${status}`, { retryable, retryAfter, status });
    }
  }
}
