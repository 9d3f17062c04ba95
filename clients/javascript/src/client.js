/**
 * ChatClient — the whole client: puts the parts together and says which event goes to which.
 */
import { BlockRequests } from "./blocks.js";
import { systemClock } from "./clock.js";
import { Connection } from "./connection.js";
import { complete } from "./drafts.js";
import { Emitter } from "./emitter.js";
import { ChatError } from "./errors.js";
import { Outbox } from "./outbox.js";
import { PresenceCache } from "./presence.js";
import { CLOSE, COMMAND, EVENT, byteLength, encode } from "./protocol.js";
import { Receipts } from "./receipts.js";
import { Rest } from "./rest.js";
import { Timeline } from "./timeline.js";
import { Tokens } from "./tokens.js";
import { TypingIndicators, TypingThrottle } from "./typing.js";
import { Uploads } from "./uploads.js";
import { onWakeups } from "./wakeups.js";

const OUTBOX_LIMIT = 200;

export class ChatClient {
  #emitter = new Emitter();
  #autoDelivered;
  #connection;
  #outbox;
  #receipts;
  #blocks;
  #typing;
  #indicators;
  #timeline;
  #uploads;
  #stopWakeups = () => {};
  /** @type {string | null} */
  #userId = null;
  /** @type {"online" | "away" | "busy"} */
  #status = "online";
  #maxMessageBytes = 512 * 1024;

  /** @param {import("./types.d.ts").ClientOptions} options */
  constructor(options) {
    const { url, getToken, clock = systemClock, outboxLimit = OUTBOX_LIMIT, autoDelivered = true } = options;
    // A browser's fetch works as a method of the global object only. Both are looked for again when they are needed: a page
    // that is rendered on a server makes its client where there is neither.
    const fetch = options.fetch ?? ((/** @type {any[]} */ ...args) => globalThis.fetch(.../** @type {[any]} */ (args)));
    const transport = { WebSocket: options.WebSocket, fetch };
    const baseUrl = url.replace(/\/$/, "");
    const tokens = new Tokens(getToken, clock);
    const transmit = (/** @type {string} */ type, /** @type {object} */ payload) => this.#connection.send(type, payload);
    this.#autoDelivered = autoDelivered;
    /** The REST calls. */
    this.rest = new Rest({ baseUrl, tokens, fetch, clock });
    /** The friends' statuses. */
    this.presence = new PresenceCache();
    this.#outbox = new Outbox({
      clock,
      limit: outboxLimit,
      transmit: (draft) => transmit(COMMAND.MESSAGE_SEND, draft),
      onUnanswered: () => this.#connection.probe(),
    });
    const XMLHttpRequest = options.XMLHttpRequest ?? (options.fetch ? undefined : globalThis.XMLHttpRequest);
    this.#uploads = new Uploads({ rest: this.rest, clock, transport: { fetch, XMLHttpRequest } });
    this.#receipts = new Receipts({ clock, transmit });
    this.#blocks = new BlockRequests({ clock, transmit });
    this.#typing = new TypingThrottle({ clock, transmit });
    this.#indicators = new TypingIndicators({ clock, onStop: (who) => this.#emit(EVENT.TYPING_STOP, who) });
    this.#timeline = new Timeline({
      rest: this.rest,
      clock,
      ownId: () => this.#userId,
      onItem: (item) => this.#onMessage(item),
      onLost: (lost) => this.#emit("lost", lost),
      onSynced: ({ items, nextPage }) => this.#emit("synced", { conversations: items, nextPage }),
    });
    this.#connection = new Connection({
      baseUrl,
      tokens,
      transport,
      clock,
      handlers: {
        onFrame: (frame) => this.#onFrame(frame),
        onState: (change) => this.#emit("state", change),
        onEnd: (code) => this.#onEnd(code),
      },
    });
  }

  /** This user's id, null before the first connection. */
  get userId() {
    return this.#userId;
  }

  /** @returns {import("./types.d.ts").ConnectionState} */
  get state() {
    return this.#connection.state;
  }

  /** Messages that are not acknowledged yet. */
  get pending() {
    return this.#outbox.size;
  }

  /**
   * @param {string} type
   * @param {(payload: any, meta: any) => void} listener
   * @returns {() => void} takes the listener off again
   */
  on(type, listener) {
    return this.#emitter.on(type, listener);
  }

  /** Connects, and stays connected until `close`; after that it may be called again. */
  connect() {
    this.#connection.requireWebSocket();
    this.#outbox.open();
    this.#stopWakeups();
    this.#stopWakeups = onWakeups(() => this.#connection.wake());
    this.#connection.start();
  }

  /**
   * Says that the network may have changed, or that the app is looked at again: connects at once instead of waiting, and
   * makes sure that an open connection still works. In browsers the client notices by itself; React Native apps call it.
   */
  wake() {
    this.#connection.wake();
  }

  /** Ends everything; what was not acknowledged is rejected with the code `closed`. */
  close() {
    this.#stopWakeups();
    this.#connection.stop();
    this.#timeline.close();
    this.#receipts.close();
    this.#indicators.close();
    const error = new ChatError("closed", "The client was closed");
    this.#blocks.close(error);
    this.#outbox.close(error);
  }

  /**
   * Brings a file to the server, for the `media` of a message in the same conversation. Tries again when the network fails.
   *
   * @param {any} file a File or Blob, or bytes
   * @param {import("./types.d.ts").UploadOptions} options
   * @returns {Promise<import("./types.d.ts").UploadedMedia>} rejects with the server's reason, `network`, or `aborted`
   */
  upload(file, options) {
    return this.#uploads.upload(file, options);
  }

  /**
   * Sends a message; without a connection it waits for one.
   *
   * @param {import("./types.d.ts").Draft} draft
   * @returns {{ tempId: string, sent: Promise<import("./types.d.ts").Message> }}
   * @throws {ChatError} `validation_error`, `outbox_full`, `duplicate_temp_id`
   */
  send(draft) {
    const whole = complete(draft);
    if (byteLength(encode(COMMAND.MESSAGE_SEND, whole)) > this.#maxMessageBytes) {
      throw new ChatError("validation_error", `The message is larger than ${this.#maxMessageBytes} bytes`);
    }
    const sent = this.#outbox.add(whole);
    this.#typing.sent(whole.conversationId);
    // For applications that listen to the event and leave the promise alone.
    sent.catch((error) => this.#emit("message.failed", { draft: whole, error }));
    return { tempId: whole.tempId, sent };
  }

  /**
   * Gives a waiting message up.
   *
   * @param {string} tempId
   */
  discard(tempId) {
    return this.#outbox.discard(tempId);
  }

  /**
   * Says that the application has a conversation's messages up to `seq`: from now on gaps after it are filled.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  track(conversationId, seq) {
    this.#timeline.track(conversationId.toLowerCase(), seq);
  }

  /**
   * @param {string} conversationId
   * @param {number} seq the user has seen everything up to it
   */
  markRead(conversationId, seq) {
    this.#receipts.read(conversationId.toLowerCase(), seq);
  }

  /**
   * @param {string} conversationId
   * @param {number} seq this device has everything up to it; sent by itself unless `autoDelivered` is off
   */
  markDelivered(conversationId, seq) {
    this.#receipts.delivered(conversationId.toLowerCase(), seq);
  }

  /** @param {string} conversationId where the user is typing: call it on every input event */
  typing(conversationId) {
    this.#typing.start(conversationId.toLowerCase());
  }

  /** @param {string} conversationId */
  stopTyping(conversationId) {
    this.#typing.stop(conversationId.toLowerCase());
  }

  /** @param {"online" | "away" | "busy"} status kept over reconnects */
  setStatus(status) {
    this.#status = status;
    this.#connection.send(COMMAND.PRESENCE_SET, { status });
  }

  /**
   * @param {string} username
   * @returns {Promise<import("./types.d.ts").Block>}
   */
  block(username) {
    return this.#blocks.ask(COMMAND.BLOCK_ADD, username);
  }

  /**
   * @param {string} username
   * @returns {Promise<{ username: string, unblockedAt: string }>}
   */
  unblock(username) {
    return this.#blocks.ask(COMMAND.BLOCK_REMOVE, username);
  }

  /** @param {import("./types.d.ts").Frame} frame */
  #onFrame(frame) {
    const { type, payload } = frame;
    if (type === EVENT.CONNECTION_SUCCESS) this.#onOpen(payload);
    if (type === EVENT.ERROR) return this.#onError(frame);
    if (type === EVENT.MESSAGE_NEW || type === EVENT.MESSAGE_SENT) return this.#onLiveMessage(type, payload);
    if (type === EVENT.MESSAGE_READ_ACK) this.#receipts.acknowledge(payload.conversationId, payload.seq);
    if (type === EVENT.TYPING_START) this.#indicators.started(payload);
    if (type === EVENT.TYPING_STOP) this.#indicators.stopped(payload);
    this.#blocks.apply(type, payload);
    const changed = this.presence.apply(type, payload);
    this.#emit(type, payload);
    for (const presence of changed) this.#emit("presence", presence);
  }

  /** @param {any} welcome payload of `connection.success` */
  #onOpen({ userId, maxMessageBytes, recovered }) {
    this.#userId = userId;
    this.#maxMessageBytes = maxMessageBytes ?? this.#maxMessageBytes;
    if (recovered !== true) this.#timeline.resync();
    if (this.#status !== "online") this.#connection.send(COMMAND.PRESENCE_SET, { status: this.#status });
    this.#outbox.resume();
    this.#receipts.resume();
    this.#blocks.resume();
  }

  /**
   * @param {string} type
   * @param {any} payload
   */
  #onLiveMessage(type, payload) {
    if (type === EVENT.MESSAGE_SENT) this.#outbox.settle(payload.tempId, payload.message);
    this.#timeline.add({ type, payload, meta: { source: "live" } });
  }

  /** @param {import("./timeline.js").Item} item */
  #onMessage({ type, payload, meta }) {
    const { conversationId, senderId } = payload.message;
    this.#emit(type, payload, meta);
    const seen = this.#timeline.seen(conversationId) ?? 0;
    if (this.#autoDelivered && senderId !== this.#userId) this.#receipts.delivered(conversationId, seen);
  }

  /** @param {import("./types.d.ts").Frame} frame */
  #onError({ error, ref = {} }) {
    const failure = ChatError.from(error);
    const { type, conversationId, tempId } = ref;
    if (type === COMMAND.MESSAGE_SEND && tempId) this.#outbox.refuse(conversationId, tempId, failure);
    if (type === COMMAND.MESSAGE_READ || type === COMMAND.MESSAGE_DELIVERED) {
      if (failure.retryable) this.#receipts.refuse(type, conversationId, failure.retryAfter);
    }
    if (type === COMMAND.BLOCK_ADD || type === COMMAND.BLOCK_REMOVE) this.#blocks.refuse(type, failure);
    this.#emit(EVENT.ERROR, failure, { source: "live", ref });
  }

  /** @param {number} code */
  #onEnd(code) {
    const tooBig = new ChatError("validation_error", "The server refused the message as too big");
    if (code === CLOSE.TOO_BIG && !this.#outbox.failLargestInFlight(tooBig)) this.#connection.stop("frame_too_big");
    this.#outbox.suspend();
    this.#receipts.suspend();
    this.#blocks.suspend();
  }

  /**
   * @param {string} type
   * @param {unknown} payload
   * @param {object} [meta]
   */
  #emit(type, payload, meta = { source: "live" }) {
    this.#emitter.emit(type, payload, meta);
  }
}
