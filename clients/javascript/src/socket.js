/**
 * Socket — one WebSocket from its handshake to its end.
 *
 * It is open when `connection.success` has come, not when the handshake is done. JavaScript in a browser sees no WebSocket pings,
 * so a dead network would be noticed only after minutes. So after a silence the socket sends a `ping`, and closes when nothing
 * comes back.
 */
import { CLOSE, COMMAND, EVENT, SUBPROTOCOL, decode, encode } from "./protocol.js";

const HANDSHAKE_MS = 15_000;
const SILENCE_MS = 25_000;
const ANSWER_MS = 10_000;
// In browsers a `close` follows each `error`; in some versions of Node it doesn't.
const CLOSE_AFTER_ERROR_MS = 1_000;

/**
 * @typedef {object} End how a socket ended
 * @property {number} code
 * @property {boolean} upgraded the handshake was accepted
 * @property {number} openMs how long it was open; 0 when it never was
 */

export class Socket {
  #clock;
  #onFrame;
  #onEnd;
  #webSocket;
  #upgraded = false;
  #ended = false;
  /** @type {number | null} */
  #openedAt = null;
  /** Whether an answer is awaited: later reasons to ask don't prolong the wait. */
  #probing = false;
  /** @type {() => void} */
  #cancelTimer = () => {};

  /**
   * @param {object} options
   * @param {string} options.url
   * @param {string} options.token
   * @param {typeof WebSocket} options.WebSocket
   * @param {import("./clock.js").Clock} options.clock
   * @param {(frame: import("./types.d.ts").Frame) => void} options.onFrame
   * @param {(end: End) => void} options.onEnd called exactly once
   * @throws what the WebSocket constructor throws
   */
  constructor({ url, token, WebSocket, clock, onFrame, onEnd }) {
    this.#clock = clock;
    this.#onFrame = onFrame;
    this.#onEnd = onEnd;
    this.#webSocket = new WebSocket(url, [SUBPROTOCOL, `bearer.${token}`]);
    this.#cancelTimer = clock.after(HANDSHAKE_MS, () => this.#end(CLOSE.ABNORMAL));
    this.#webSocket.onopen = () => void (this.#upgraded = true);
    this.#webSocket.onmessage = (event) => this.#onMessage(event.data);
    this.#webSocket.onclose = (event) => this.#end(event.code);
    // Never removed: the package `ws` ends the process at an error without a listener.
    this.#webSocket.onerror = () => this.#onError();
  }

  /**
   * Sends `text`.
   *
   * @param {string} text
   * @returns {boolean} false when the socket is not open
   */
  send(text) {
    if (this.#openedAt === null || this.#ended || this.#webSocket.readyState !== 1) return false;
    this.#webSocket.send(text);
    return true;
  }

  /** Sends a `ping` now, for example after the machine slept. */
  probe() {
    if (this.#probing || this.#openedAt === null || this.#ended) return;
    this.#probing = true;
    this.#cancelTimer();
    this.send(encode(COMMAND.PING, { timestamp: Math.floor(this.#clock.now() / 1000) }));
    this.#cancelTimer = this.#clock.after(ANSWER_MS, () => this.#end(CLOSE.ABNORMAL));
  }

  /** Closes the socket with a close handshake. `onEnd` is called at once. */
  close() {
    this.#end(CLOSE.NORMAL);
  }

  /** @param {unknown} data */
  #onMessage(data) {
    if (this.#ended) return;
    const frame = decode(data);
    if (frame?.type === EVENT.CONNECTION_SUCCESS) this.#openedAt = this.#clock.now();
    // Until then the handshake's time runs on, whatever a proxy may say.
    if (this.#openedAt === null) return;
    this.#probing = false;
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(SILENCE_MS, () => this.probe());
    if (frame) this.#onFrame(frame);
  }

  #onError() {
    if (this.#ended) return;
    if (!this.#upgraded) return this.#end(CLOSE.ABNORMAL);
    this.#cancelTimer();
    this.#cancelTimer = this.#clock.after(CLOSE_AFTER_ERROR_MS, () => this.#end(CLOSE.ABNORMAL));
  }

  /** @param {number} code */
  #end(code) {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelTimer();
    // On a dead network the close handshake can take minutes; nothing here waits for it.
    this.#webSocket.onmessage = this.#webSocket.onclose = null;
    if (this.#webSocket.readyState <= 1) this.#webSocket.close(CLOSE.NORMAL);
    const openMs = this.#openedAt === null ? 0 : this.#clock.now() - this.#openedAt;
    this.#onEnd({ code, upgraded: this.#upgraded, openMs });
  }
}
