/**
 * Rest — the HTTP side of the service, with the same token. Every call rejects with ChatError.
 *
 * Repeating a call is harmless, so a call without an answer (after a change of network, or a restart of the server) is repeated
 * once.
 */
import { parseRetryAfter } from "./backoff.js";
import { pause } from "./clock.js";
import { ChatError } from "./errors.js";
import { request } from "./http.js";
import { query } from "./query.js";

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
   * The direct conversation with a user. It is created when there is none.
   *
   * @param {{ username: string } | { userId: string }} other
   * @returns {Promise<Conversation>}
   */
  openConversation(other) {
    return this.#call("POST", "/chat/conversations", other);
  }

  /**
   * One page of the user's conversations, pinned ones first, then the newest.
   *
   * @param {import("./types.d.ts").ConversationQuery} [options] `page` is the `nextPage` of the page before
   * @returns {Promise<import("./types.d.ts").ConversationPage>}
   */
  conversationPage(options = {}) {
    return this.#call("GET", `/chat/conversations${query({ ...options })}`);
  }

  /**
   * The user's conversations one by one. Pages are read when they are needed.
   *
   * @param {import("./types.d.ts").ConversationQuery} [options]
   * @returns {AsyncGenerator<Conversation, void, void>} pinned ones first, then the newest
   */
  async *eachConversation(options = {}) {
    /** @type {string | null | undefined} */
    let page = options.page;
    do {
      const answer = await this.conversationPage({ limit: PAGE, ...options, page: page ?? undefined });
      yield* answer.items;
      page = answer.nextPage;
    } while (page);
  }

  /** @returns {Promise<Conversation[]>} all, in one list: `eachConversation` is for users who may have thousands */
  async conversations() {
    const all = [];
    for await (const conversation of this.eachConversation()) all.push(conversation);
    return all;
  }

  /**
   * @param {string} id
   * @returns {Promise<Conversation>}
   */
  conversation(id) {
    return this.#call("GET", `/chat/conversations/${encodeURIComponent(id)}`);
  }

  /**
   * One page of messages: the first after `afterSeq`, the last before `beforeSeq`, those around `aroundSeq`, or the newest.
   *
   * @param {string} conversationId
   * @param {import("./types.d.ts").MessageRange} [range]
   * @returns {Promise<Message[]>} by seq, ascending
   */
  async messages(conversationId, range = {}) {
    const path = `/chat/conversations/${encodeURIComponent(conversationId)}/messages${query({ ...range })}`;
    const { items } = await this.#call("GET", path);
    return items.sort((/** @type {Message} */ a, /** @type {Message} */ b) => a.seq - b.seq);
  }

  /**
   * Changes the user's own settings of a conversation.
   *
   * @param {string} id
   * @param {import("./types.d.ts").ConversationChanges} changes
   * @returns {Promise<Conversation>}
   */
  updateConversation(id, changes) {
    return this.#call("PATCH", `/chat/conversations/${encodeURIComponent(id)}`, changes);
  }

  /**
   * Deletes the conversation's history, only for this user.
   *
   * @param {string} id
   * @returns {Promise<null>}
   */
  clearConversation(id) {
    return this.#call("DELETE", `/chat/conversations/${encodeURIComponent(id)}`);
  }

  /**
   * Reports messages to the platform.
   *
   * @param {{ conversationId: string, seqs: number[], reason: string, comment?: string }} report
   * @returns {Promise<any>}
   */
  report(report) {
    return this.#call("POST", "/chat/reports", report);
  }

  /**
   * @param {{ username: string } | { prefix: string }} name exact, or at least 3 characters of its beginning
   * @returns {Promise<import("./types.d.ts").User[]>}
   */
  async findUsers(name) {
    return (await this.#call("GET", `/chat/users${query({ ...name })}`)).items;
  }

  /** @returns {Promise<import("./types.d.ts").Settings>} */
  settings() {
    return this.#call("GET", "/chat/users/me/settings");
  }

  /**
   * @param {{ push: Partial<import("./types.d.ts").PushSettings> }} changes
   * @returns {Promise<import("./types.d.ts").Settings>}
   */
  updateSettings(changes) {
    return this.#call("PATCH", "/chat/users/me/settings", changes);
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
   * @param {string} username two users who follow each other are friends, and see each other's status
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

  /** @param {string} [endpoint] without one, all of the user's subscriptions */
  unsubscribePush(endpoint) {
    return this.#call("DELETE", "/chat/push/subscriptions", endpoint === undefined ? undefined : { endpoint });
  }

  /**
   * Registers a native app for push notifications.
   *
   * @param {import("./types.d.ts").PushDevice} device
   * @returns {Promise<null>}
   */
  addPushDevice(device) {
    return this.#call("PUT", "/chat/push/devices", device);
  }

  /**
   * @param {import("./types.d.ts").PushDevice} device
   * @returns {Promise<null>}
   */
  removePushDevice(device) {
    return this.#call("DELETE", "/chat/push/devices", device);
  }

  /**
   * Reserves an upload. `upload` of the client does all steps.
   *
   * @param {{ conversationId: string, name: string, mimeType: string, size: number }} file `size` in bytes
   * @returns {Promise<import("./types.d.ts").UploadReservation>}
   */
  reserveUpload(file) {
    return this.#call("POST", "/chat/uploads", file);
  }

  /**
   * Completes an upload after its bytes were sent: the server checks them.
   *
   * @param {string} uploadId
   * @returns {Promise<{ media: import("./types.d.ts").UploadedMedia }>}
   */
  completeUpload(uploadId) {
    return this.#call("POST", `/chat/uploads/${encodeURIComponent(uploadId)}/complete`);
  }

  /**
   * An upload with newly signed URLs. (URLs expire after 7 days.)
   *
   * @param {string} uploadId
   * @returns {Promise<{ media: import("./types.d.ts").UploadedMedia }>}
   */
  getUpload(uploadId) {
    return this.#call("GET", `/chat/uploads/${encodeURIComponent(uploadId)}`);
  }

  /**
   * A whole list, read page by page, or at once when it has no pages.
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
    let answer = await this.#attempt(method, path, body).catch(async () => {
      await pause(this.#clock, RETRY_MS * (0.5 + this.#clock.random()));
      return this.#attempt(method, path, body);
    });
    // The token was refused: the next attempt uses a new one.
    if (answer.status === 401) answer = await this.#attempt(method, path, body);
    try {
      if (answer.ok) return JSON.parse(answer.text || "null");
    } catch {} // The page of a captive portal is no answer.
    throw this.#failure(answer);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {object} [body]
   */
  async #attempt(method, path, body) {
    const token = await this.#token();
    const answer = await this.#request(method, path, token, body);
    if (answer.status === 401) this.#tokens.refuse(token);
    return answer;
  }

  async #token() {
    try {
      return await this.#tokens.get();
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
    const init = { method, headers, body: body && JSON.stringify(body) };
    try {
      const url = this.#baseUrl + path;
      return await request({ url, init, timeoutMs: TIMEOUT_MS, fetch: this.#fetch, clock: this.#clock });
    } catch (cause) {
      throw new ChatError("network", `${method} ${path}: ${cause}`, { retryable: true });
    }
  }

  /**
   * @param {import("./http.js").Answer} answer
   */
  #failure({ status, headers, text }) {
    let retryable = status < 400 || status === 429 || status >= 500;
    const retryAfter = parseRetryAfter(headers.get("Retry-After"), this.#clock.now());
    try {
      const { error } = JSON.parse(text);
      retryable ||= error.retryable === true;
      return new ChatError(error.code, error.message, { retryable, retryAfter, status });
    } catch {
      return new ChatError(status < 400 ? "network" : "internal_error", `HTTP ${status}`, { retryable, retryAfter, status });
    }
  }
}
