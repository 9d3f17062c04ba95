/**
 * Connection — keeps one socket alive: connects, resumes from the cursor, backs off, renews the token, and stops when retries
 * can't help.
 */
import { afterClose, afterRefusal } from "./backoff.js";
import { pause } from "./clock.js";
import { CLOSE, COMMAND, EVENT, SOCKET_PATH, encode } from "./protocol.js";
import { query } from "./query.js";
import { Socket } from "./socket.js";
import { askVerdict } from "./verdict.js";

// After a connection that lasted this long, the next failure starts with a short delay again.
const STABLE_MS = 10_000;
const TOKEN_RETRY_MS = 5_000;
/** Tokens that a handshake can carry (RFC 9110, section 5.6.2: token). A line break, for example, makes WebSocket and fetch
 * throw. */
const SENDABLE = /^[!#$%&'*+.^`|~\w-]+$/;

/**
 * @typedef {object} Handlers
 * @property {(frame: import("./types.d.ts").Frame) => void} onFrame every frame, `connection.success` included
 * @property {(change: import("./types.d.ts").StateChange) => void} onState
 * @property {(code: number) => void} onEnd an open socket ended
 * @property {() => "online" | "away" | "busy"} status with which this device comes back
 */

export class Connection {
  #baseUrl;
  #tokens;
  #transport;
  #clock;
  #handlers;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {string | null} */
  #cursor = null;
  /** @type {import("./types.d.ts").ConnectionState} */
  #state = "idle";
  #attempt = 0;
  #refusals = 0;
  #refusedSince = 0;
  /** Counts starts, so that a stopped run notices that it is over. */
  #run = 0;
  /** @type {() => void} */
  #endDelay = () => {};
  #mayHurry = false;
  /** @type {Socket | null} whose token is being renewed */
  #refreshing = null;
  /** The token of the socket. */
  #token = "";

  /**
   * @param {object} options
   * @param {string} options.baseUrl http(s) origin of the service
   * @param {import("./tokens.js").Tokens} options.tokens
   * @param {{ WebSocket?: typeof WebSocket, fetch: typeof fetch }} options.transport without a WebSocket, the global one
   * @param {import("./clock.js").Clock} options.clock
   * @param {Handlers} options.handlers
   */
  constructor({ baseUrl, tokens, transport, clock, handlers }) {
    this.#baseUrl = baseUrl;
    this.#tokens = tokens;
    this.#transport = transport;
    this.#clock = clock;
    this.#handlers = handlers;
  }

  get state() {
    return this.#state;
  }

  /** Throws TypeError when there is no WebSocket. */
  requireWebSocket() {
    if (!this.#webSocket) throw new TypeError("No WebSocket here: pass a constructor as options.WebSocket");
  }

  get #webSocket() {
    return this.#transport.WebSocket ?? globalThis.WebSocket;
  }

  /** Starts; does nothing when it runs already. */
  start() {
    if (this.#state !== "idle" && this.#state !== "stopped") return;
    this.#attempt = this.#refusals = 0;
    void this.#loop(++this.#run);
  }

  /** Ends the socket and all retries. */
  stop(reason = "closed") {
    this.#run++;
    this.#socket?.close();
    this.#endDelay();
    if (this.#state !== "idle") this.#change({ state: "stopped", reason });
  }

  /** @param {string} cursor of an earlier connection, to resume from */
  resumeFrom(cursor) {
    this.#cursor = cursor;
  }

  /**
   * @param {{ cursor?: string }} frame that is being handled
   * @returns {string | null} where to resume once it is
   */
  cursorAfter(frame) {
    return frame.cursor ?? this.#cursor;
  }

  /** The network may have changed: reconnects at once when waiting, and checks an open socket. */
  wake() {
    this.probe();
    if (this.#mayHurry) this.#endDelay();
  }

  /** Checks that an open socket still works. */
  probe() {
    this.#socket?.probe();
  }

  /**
   * @param {string} type
   * @param {object} payload
   * @returns {boolean} whether it was handed to an open socket
   */
  send(type, payload) {
    return this.#socket?.send(encode(type, payload)) ?? false;
  }

  /** @param {number} run */
  async #loop(run) {
    while (run === this.#run) {
      this.#change({ state: "connecting" });
      const advice = await this.#connectOnce();
      if (run !== this.#run) return;
      if (advice.action === "stop") return this.#change({ state: "stopped", reason: advice.reason });
      this.#change({ state: "waiting", reason: advice.reason, retryInMs: advice.delayMs });
      // A delay that the server asked for is kept, even when something wakes this client.
      this.#mayHurry = !["server_busy", "server_restart"].includes(advice.reason);
      await this.#delay(advice.delayMs);
    }
  }

  /** @returns {Promise<import("./backoff.js").Advice>} what to do next */
  async #connectOnce() {
    const attempt = this.#attempt++;
    const { random } = this.#clock;
    const run = this.#run;
    const token = await this.#tokens.get().catch(() => null);
    if (run !== this.#run) return { action: "stop", reason: "closed" };
    if (token === null || !SENDABLE.test(token)) {
      if (token !== null) this.#tokens.refuse(token);
      return { action: "retry", delayMs: TOKEN_RETRY_MS * (0.5 + random() / 2), reason: "no_token" };
    }
    this.#token = token;
    const end = await this.#live(token);
    if (end.upgraded) {
      this.#refusals = 0;
      const lasted = end.openMs >= STABLE_MS;
      if (lasted) this.#attempt = 1;
      const advice = afterClose(end.code, lasted ? 0 : attempt, random);
      if (advice.action === "renew") this.#tokens.refuse(token);
      return advice;
    }
    if (run !== this.#run) return { action: "stop", reason: "closed" };
    return this.#afterRefusal(token, attempt);
  }

  /**
   * Asks why the handshake was refused.
   *
   * @param {string} token
   * @param {number} attempt
   */
  async #afterRefusal(token, attempt) {
    const { fetch } = this.#transport;
    const verdict = await askVerdict({ url: this.#baseUrl + SOCKET_PATH, token, fetch, clock: this.#clock });
    const now = this.#clock.now();
    this.#refusals = verdict.status === 401 ? this.#refusals + 1 : 0;
    if (this.#refusals === 1) this.#refusedSince = now;
    const refusedMs = now - this.#refusedSince;
    const advice = afterRefusal(verdict, attempt, { refusals: this.#refusals, refusedMs }, this.#clock.random);
    if (advice.action === "renew") this.#tokens.refuse(token);
    return advice;
  }

  /**
   * One socket, from handshake to end.
   *
   * @param {string} token
   * @returns {Promise<import("./socket.js").End>}
   */
  #live(token) {
    return new Promise((resolve) => {
      /** @type {Socket | null} */
      let socket = null;
      const options = {
        url: this.#baseUrl.replace(/^http/, "ws") + SOCKET_PATH + this.#query(),
        token,
        WebSocket: this.#webSocket,
        clock: this.#clock,
        onFrame: (/** @type {import("./types.d.ts").Frame} */ frame) => this.#onFrame(frame),
        onEnd: (/** @type {import("./socket.js").End} */ end) => {
          if (this.#socket === socket) this.#socket = null;
          if (this.#state === "open") this.#handlers.onEnd(end.code);
          resolve(end);
        },
      };
      try {
        this.#socket = socket = new Socket(options);
      } catch {
        resolve({ code: CLOSE.ABNORMAL, upgraded: false, openMs: 0 });
      }
    });
  }

  /** The query of the handshake: the cursor, and the status, so that friends don't see a user who is away online for a moment. */
  #query() {
    const status = this.#handlers.status();
    return query({ cursor: this.#cursor, status: status === "online" ? null : status });
  }

  /** @param {import("./types.d.ts").Frame} frame */
  #onFrame(frame) {
    if (frame.type === EVENT.CONNECTION_SUCCESS) {
      // With `recovered` true, the missed events follow, each with its own cursor. If we stored this cursor now, events would be
      // lost when this socket breaks before they arrive.
      if (frame.payload.recovered !== true) this.#cursor = frame.payload.cursor ?? null;
      this.#change({ state: "open" });
    }
    this.#handlers.onFrame(frame);
    if (frame.cursor !== undefined) this.#cursor = frame.cursor;
    if (frame.type === EVENT.AUTH_EXPIRING) void this.#refreshToken();
  }

  /** Sends a new token on the same socket. A token that lives only for seconds is not renewed before most of its life is over. */
  async #refreshToken() {
    const socket = this.#socket;
    if (this.#refreshing === socket) return;
    this.#refreshing = socket;
    const restMs = this.#tokens.restMs();
    if (restMs > 0) await pause(this.#clock, restMs);
    try {
      if (socket !== this.#socket) return;
      const token = await this.#tokens.renew();
      // Answered with the same token, the server would announce its end again, at once.
      if (socket !== this.#socket || token === this.#token) return;
      this.#token = token;
      this.send(COMMAND.AUTH_REFRESH, { token });
    } catch {
      // No new token: the server closes with 4401 when the old one expires, and the next connect asks for one again.
    } finally {
      if (this.#refreshing === socket) this.#refreshing = null;
    }
  }

  /** @param {number} ms */
  async #delay(ms) {
    await new Promise((resolve) => {
      const cancel = this.#clock.after(ms, () => resolve(undefined));
      this.#endDelay = () => {
        cancel();
        resolve(undefined);
      };
    });
    this.#endDelay = () => {};
  }

  /** @param {import("./types.d.ts").StateChange} change */
  #change(change) {
    this.#state = change.state;
    this.#handlers.onState(change);
  }
}
