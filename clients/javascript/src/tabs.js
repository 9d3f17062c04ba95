/**
 * Tabs — one connection for all tabs of a browser. The tab that holds a lock has the client; the others get its events and send
 * it their calls. When it closes, the next tab resumes from the cursor that all of them know.
 *
 * The server closes the oldest of a user's connections beyond ten, so without this an eleventh tab would close the first one's.
 */
import { Calls, plain, revived } from "./calls.js";
import { ChatClient } from "./client.js";
import { complete } from "./drafts.js";
import { Emitter } from "./emitter.js";
import { ChatError } from "./errors.js";
import { EVENT } from "./protocol.js";
import { PresenceCache } from "./presence.js";
import { onWakeups } from "./wakeups.js";

/** Events that the client itself emits, besides those of the protocol. */
const OWN_EVENTS = ["state", "presence", "synced", "lost", "message.failed"];
const ALL_EVENTS = [...new Set([...Object.values(EVENT), ...OWN_EVENTS])];
/** Calls with an answer that every tab may make. */
const ASKED = ["block", "unblock", "edit", "deleteMessage", "addReaction", "removeReaction"];
/** Calls without an answer that every tab may make. */
const TOLD = ["discard", "track", "markRead", "markDelivered", "typing", "stopTyping", "setStatus", "wake"];
/** How many conversations a tab reads when it joins the others. */
const PAGE = 100;
/** @type {{ state: any, userId: string | null, features: readonly string[], cursor: string | null, status: string | null }} */
const NOTHING = { state: { state: "idle" }, userId: null, features: [], cursor: null, status: null };

/**
 * A client that shares its connection with the other tabs of this browser. It has the calls and events of ChatClient.
 */
export class TabClient {
  #name;
  #options;
  #emitter = new Emitter();
  #own;
  #calls;
  /** @type {ChatClient | null} this tab's, while it leads */
  #client = null;
  /** @type {() => void} */
  #resign = () => {};
  #stopWakeups = () => {};
  #isOpen = false;
  /** Counts calls of `connect`, so that a lock from before a `close` is released. */
  #run = 0;
  #isActive = true;
  /** The visible tabs. @type {Set<string>} */
  #activeTabs = new Set();
  /** The state of the connection, from the leading tab. */
  #known = NOTHING;
  /** Whether this tab has everything that was emitted before it was opened. */
  #isCaughtUp = false;
  /** conversation → the last seq that was emitted here. @type {Map<string, number>} */
  #seen = new Map();

  /** @param {import("./types.d.ts").ClientOptions & { name?: string }} options `name`: of the connection that is shared, one for each user */
  constructor({ name = "chat", ...options }) {
    this.#name = name;
    this.#options = options;
    this.presence = new PresenceCache();
    // For REST and uploads. It never connects, and leaves stored messages to the leading tab.
    this.#own = new ChatClient({ ...options, storage: undefined });
    this.rest = this.#own.rest;
    this.#calls = new Calls(name, {
      onCall: (method, args) => this.#answer(method, args),
      onEvent: (event) => this.#take(event),
      onLeader: () => this.#calls.tell("hello", [this.#calls.id, this.#isActive]),
    });
    const methods = /** @type {Record<string, (...args: any[]) => unknown>} */ (/** @type {unknown} */ (this));
    for (const method of ASKED) methods[method] = (...args) => this.#calls.ask(method, args);
    for (const method of TOLD) methods[method] = (...args) => void this.#calls.tell(method, args);
  }

  get userId() {
    return this.#known.userId;
  }

  get state() {
    return this.#known.state.state;
  }

  get features() {
    return this.#known.features;
  }

  get cursor() {
    return this.#known.cursor;
  }

  /** Whether this tab holds the connection. */
  get isLeader() {
    return this.#client !== null;
  }

  /**
   * @param {string} type
   * @param {(payload: any, meta: any) => void} listener
   */
  on(type, listener) {
    return this.#emitter.on(type, listener);
  }

  /**
   * Continues where an earlier page was, as in ChatClient. The leading tab's state has priority.
   *
   * @param {string} cursor
   * @param {string} userId
   * @param {Map<string, number>} seen
   */
  resumeFrom(cursor, userId, seen) {
    if (this.#known.userId === null) this.#known = { ...this.#known, cursor, userId };
    for (const [conversationId, seq] of seen) this.#sees(conversationId, seq);
  }

  /** Joins the tabs that share the connection, and opens it when there is none, or when it was stopped. */
  connect() {
    if (this.#isOpen) return void this.#calls.tell("connect", []);
    this.#isOpen = true;
    this.#calls.open();
    // The tab with the connection may be hidden: then browsers run its timers late.
    this.#stopWakeups = onWakeups(() => this.#calls.tell("wake", []));
    this.#calls.tell("hello", [this.#calls.id, this.#isActive]);
    const resigned = new Promise((resolve) => (this.#resign = () => resolve(undefined)));
    const run = ++this.#run;
    const lead = () => (this.#isOpen && run === this.#run ? (this.#lead(), resigned) : undefined);
    // Requested until we get it: the browser releases the lock when its tab closes. Where it refuses locks (a sandboxed frame), this
    // tab has its own connection.
    navigator.locks.request(`chat:${this.#name}`, lead).catch(() => this.#client ?? lead());
  }

  /** Leaves the other tabs. Messages of this tab are still sent by them. */
  close() {
    this.#isOpen = false;
    this.#stopWakeups();
    this.#calls.tell("goodbye", [this.#calls.id]);
    this.#client?.close();
    this.#client = null;
    this.#resign();
    this.#calls.close(new ChatError("closed", "The client was closed"));
  }

  /**
   * Sends a message through the leading tab.
   *
   * @param {import("./types.d.ts").Draft} draft
   * @throws {ChatError} `validation_error`
   */
  send(draft) {
    const whole = complete(draft);
    const sent = this.#calls.ask("send", [whole]);
    // The leading tab reports refusals of the server. Messages that never got there are reported here.
    let isTold = false;
    const stop = this.on("message.failed", ({ draft: { tempId } }) => (isTold ||= tempId === whole.tempId));
    sent.catch((error) => isTold || this.#emitter.emit("message.failed", { draft: whole, error }, { source: "live" })).finally(stop);
    return { tempId: whole.tempId, sent };
  }

  /** @param {boolean} isActive whether this tab is visible: the user is active while any tab is */
  setActive(isActive) {
    this.#isActive = isActive;
    this.#calls.tell("hello", [this.#calls.id, isActive]);
  }

  /**
   * Uploads a file, from this tab.
   *
   * @param {any} file
   * @param {import("./types.d.ts").UploadOptions} options
   */
  upload(file, options) {
    return this.#own.upload(file, options);
  }

  #lead() {
    // Created now, so that the storage is read after the earlier leader has finished writing.
    const client = (this.#client = new ChatClient(this.#options));
    this.#activeTabs.clear();
    this.#isCaughtUp = true;
    for (const type of ALL_EVENTS) client.on(type, (payload, meta) => this.#tell(client, type, payload, meta));
    const { cursor, userId, status } = this.#known;
    if (cursor !== null && userId !== null) client.resumeFrom(cursor, userId, this.#seen);
    if (status !== null) client.setStatus(/** @type {any} */ (status));
    client.connect();
    this.#calls.lead();
  }

  /**
   * Passes an event of the client to all tabs, this one included.
   *
   * @param {ChatClient} client
   * @param {string} type
   * @param {any} payload
   * @param {any} meta
   */
  #tell(client, type, payload, meta) {
    const { userId, features, cursor } = client;
    const known = { state: type === "state" ? payload : { state: client.state }, userId, features, cursor, status: this.#known.status };
    const sent = payload?.error ? { ...payload, error: plain(payload.error) } : plain(payload);
    this.#calls.publish({ type, payload: sent, meta, known });
  }

  /** @param {{ type: string, payload: any, meta: any, known: any }} event */
  #take({ type, payload, meta, known }) {
    this.#known = known;
    if (type === "synced") this.#isCaughtUp = true;
    else if (!this.#isCaughtUp && known.state.state === "open") void this.#catchUp();
    const message = payload?.message;
    if (message?.conversationId) this.#sees(message.conversationId, message.seq);
    if (!OWN_EVENTS.includes(type)) this.presence.apply(type, payload);
    this.#emitter.emit(type, payload?.error ? { ...payload, error: revived(payload.error) } : revived(payload), meta);
  }

  /** Reads the list of conversations, as after a connection that was not resumed, because this tab missed earlier events. */
  async #catchUp() {
    this.#isCaughtUp = true;
    try {
      const { items, nextPage } = await this.rest.conversationPage({ limit: PAGE });
      this.#emitter.emit("synced", { conversations: items, nextPage }, { source: "rest" });
    } catch {
      this.#isCaughtUp = false; // The next event tries again.
    }
  }

  /** @param {string} conversationId @param {number} seq */
  #sees(conversationId, seq) {
    this.#seen.set(conversationId, Math.max(seq, this.#seen.get(conversationId) ?? 0));
  }

  /**
   * Carries out a call of a tab.
   *
   * @param {string} method
   * @param {any[]} args
   */
  #answer(method, args) {
    const client = this.#client;
    if (!client) return undefined;
    if (method === "hello" || method === "goodbye") {
      const [tab, isActive] = args;
      if (isActive) this.#activeTabs.add(tab);
      else this.#activeTabs.delete(tab);
      client.setActive(this.#activeTabs.size > 0);
      const state = { state: client.state };
      if (method === "hello") this.#tell(client, "state", state, { source: "live" });
      return undefined;
    }
    if (method === "send") return send(client, args[0]);
    if (method === "setStatus") this.#known = { ...this.#known, status: args[0] };
    return /** @type {any} */ (client)[method](...args);
  }
}

/**
 * Sends a message, or waits for one that is under way already, because calls are repeated to a new leader that may have it from
 * the storage.
 *
 * @param {ChatClient} client
 * @param {import("./types.d.ts").Draft} draft
 */
function send(client, draft) {
  try {
    return client.send(draft).sent;
  } catch (error) {
    if (/** @type {ChatError} */ (error).code !== "duplicate_temp_id") throw error;
  }
  return new Promise((resolve, reject) => {
    const stops = [
      client.on(EVENT.MESSAGE_SENT, ({ tempId, message }) => tempId === draft.tempId && end(resolve, message)),
      client.on("message.failed", ({ draft: { tempId }, error }) => tempId === draft.tempId && end(reject, error)),
    ];
    /** @param {(value: any) => void} settle @param {any} value */
    const end = (settle, value) => {
      stops.forEach((stop) => stop());
      settle(value);
    };
  });
}

/**
 * A client that shares its connection with the user's other tabs, if the browser supports that; otherwise it has its own
 * connection.
 *
 * @param {import("./types.d.ts").ClientOptions & { name?: string }} options
 * @returns {ChatClient | TabClient}
 */
export function sharedClient(options) {
  const canShare = typeof BroadcastChannel !== "undefined" && globalThis.navigator?.locks !== undefined;
  return canShare ? new TabClient(options) : new ChatClient(options);
}
