/**
 * Connection — keeps one socket alive: connects, resumes from the cursor, backs off, renews the token, and knows when
 * to stop trying.
 */
import { afterClose, afterRefusal } from "./backoff.js";
import { COMMAND, EVENT, SOCKET_PATH, encode } from "./protocol.js";
import { Socket } from "./socket.js";
import { askVerdict } from "./verdict.js";

// A connection that lived this long was a good one: the next failure starts with a short delay again.
const STABLE_MS = 10_000;
const TOKEN_RETRY_MS = 5_000;

/**
 * @typedef {object} Handlers
 * @property {(frame: import("./types.d.ts").Frame) => void} onFrame every frame, `connection.success` included
 * @property {(change: import("./types.d.ts").StateChange) => void} onState
 * @property {(code: number) => void} onEnd an open socket ended
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
  /** Counts starts, so that a run that was stopped notices that it is over. */
  #run = 0;
  /** @type {() => void} */
  #endDelay = () => {};
  #mayHurry = false;

  /**
   * @param {object} options
   * @param {string} options.baseUrl http(s) origin of the service
   * @param {import("./tokens.js").Tokens} options.tokens
   * @param {{ WebSocket: typeof WebSocket, fetch: typeof fetch }} options.transport
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

  /** Starts; does nothing when it runs already. */
  start() {
    if (this.#state !== "idle" && this.#state !== "stopped") return;
    this.#attempt = this.#refusals = 0;
    void this.#loop(++this.#run);
  }

  /** Ends the socket and all trying. */
  stop(reason = "closed") {
    this.#run++;
    this.#socket?.close();
    this.#endDelay();
    if (this.#state !== "idle") this.#change({ state: "stopped", reason });
  }

  /** Something suggests that the network changed: try at once when waiting, make sure when open. */
  wake() {
    this.#socket?.probe();
    if (this.#mayHurry) this.#endDelay();
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
      // A delay that the server asked for is kept, whatever wakes this client.
      this.#mayHurry = !["server_busy", "server_restart"].includes(advice.reason);
      await this.#delay(advice.delayMs);
      if (advice.action === "renew") await this.#tokens.renew().catch(() => {});
    }
  }

  /** @returns {Promise<import("./backoff.js").Advice>} what to do after it, good or bad */
  async #connectOnce() {
    const attempt = this.#attempt++;
    const { random } = this.#clock;
    const run = this.#run;
    let token;
    try {
      token = await this.#tokens.get();
    } catch {
      return { action: "retry", delayMs: TOKEN_RETRY_MS * (0.5 + random() / 2), reason: "no_token" };
    }
    if (run !== this.#run) return { action: "stop", reason: "closed" };
    const end = await this.#live(token);
    if (end.upgraded) {
      this.#refusals = 0;
      const lasted = end.openMs >= STABLE_MS;
      if (lasted) this.#attempt = 1;
      return afterClose(end.code, lasted ? 0 : attempt, random);
    }
    if (run !== this.#run) return { action: "stop", reason: "closed" };
    const { fetch } = this.#transport;
    const verdict = await askVerdict({ url: this.#baseUrl + SOCKET_PATH, token, fetch, clock: this.#clock });
    this.#refusals = verdict.status === 401 ? this.#refusals + 1 : 0;
    return afterRefusal(verdict, attempt, this.#refusals, random);
  }

  /**
   * One socket, from handshake to end.
   *
   * @param {string} token
   * @returns {Promise<import("./socket.js").End>}
   */
  #live(token) {
    const query = this.#cursor === null ? "" : `?cursor=${encodeURIComponent(this.#cursor)}`;
    const { WebSocket } = this.#transport;
    return new Promise((resolve) => {
      const socket = new Socket({
        url: this.#baseUrl.replace(/^http/, "ws") + SOCKET_PATH + query,
        token,
        WebSocket,
        clock: this.#clock,
        onFrame: (frame) => this.#onFrame(frame),
        onEnd: (end) => {
          if (this.#socket === socket) this.#socket = null;
          if (this.#state === "open") this.#handlers.onEnd(end.code);
          resolve(end);
        },
      });
      this.#socket = socket;
    });
  }

  /** @param {import("./types.d.ts").Frame} frame */
  #onFrame(frame) {
    if (frame.type === EVENT.CONNECTION_SUCCESS) {
      // With recovered true the missed events follow, each with its own cursor: to jump ahead now would lose those
      // that are still on their way if this socket breaks too.
      if (frame.payload.recovered !== true) this.#cursor = frame.payload.cursor ?? null;
      this.#change({ state: "open" });
    }
    this.#handlers.onFrame(frame);
    if (frame.cursor !== undefined) this.#cursor = frame.cursor;
    if (frame.type === EVENT.AUTH_EXPIRING) void this.#refreshToken();
  }

  async #refreshToken() {
    try {
      this.send(COMMAND.AUTH_REFRESH, { token: await this.#tokens.renew() });
    } catch {
      // No token to be had now: the server closes with 4401 when the old one ends, and connecting asks again.
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
