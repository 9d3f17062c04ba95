/**
 * ChatClient — the whole client: connects its parts, and passes each event to the right one.
 */
import { systemClock } from "./clock.js";
import { Connection } from "./connection.js";
import { complete, newTempId, onWire } from "./drafts.js";
import { Emitter } from "./emitter.js";
import { ChatError } from "./errors.js";
import { Inbound } from "./inbound.js";
import { Leftovers } from "./leftovers.js";
import { Outbox } from "./outbox.js";
import { PresenceCache } from "./presence.js";
import { CLOSE, COMMAND, EVENT, byteLength, encode } from "./protocol.js";
import { Receipts } from "./receipts.js";
import { Requests } from "./requests.js";
import { Rest } from "./rest.js";
import { StoredValue } from "./storage.js";
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
  #requests;
  #inbound;
  #typing;
  #indicators;
  #timeline;
  #uploads;
  #stopWakeups = () => {};
  /** @type {string | null} */
  #userId = null;
  /** @type {"online" | "away" | "busy"} */
  #status = "online";
  #isActive = true;
  /** @type {string | null} */
  #safeCursor = null;
  /** @type {Leftovers | undefined} */
  #leftovers;
  #maxMessageBytes = 512 * 1024;
  /** @type {string[]} */
  #features = [];

  /** @param {import("./types.d.ts").ClientOptions} options */
  constructor(options) {
    const { url, getToken, clock = systemClock, outboxLimit = OUTBOX_LIMIT, autoDelivered = true } = options;
    // A browser's fetch works only as a method of the global object. Both are looked up when they are needed, because a page that
    // is rendered on a server creates its client where neither exists.
    const fetch = options.fetch ?? ((/** @type {any[]} */ ...args) => globalThis.fetch(.../** @type {[any]} */ (args)));
    const transport = { WebSocket: options.WebSocket, fetch };
    this.#leftovers = options.storage && new Leftovers(new StoredValue(options.storage, options.storageKey ?? "chat.outbox"));
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
      transmit: (draft) => transmit(COMMAND.MESSAGE_SEND, onWire(draft)),
      keep: this.#leftovers && ((drafts) => this.#leftovers?.keep(drafts) ?? Promise.resolve()),
      onUnanswered: () => this.#connection.probe(),
    });
    const XMLHttpRequest = options.XMLHttpRequest ?? (options.fetch ? undefined : globalThis.XMLHttpRequest);
    this.#uploads = new Uploads({ rest: this.rest, clock, transport: { fetch, XMLHttpRequest } });
    this.#receipts = new Receipts({ clock, transmit });
    this.#requests = new Requests({ clock, transmit, limit: outboxLimit });
    this.#typing = new TypingThrottle({ clock, transmit });
    this.#indicators = new TypingIndicators({ clock, onStop: (who) => this.#emit(EVENT.TYPING_STOP, who) });
    this.#timeline = new Timeline({
      rest: this.rest,
      clock,
      ownId: () => this.#userId,
      onItem: (item) => this.#onMessage(item),
      onLost: (lost) => this.#emit("lost", lost),
      onSynced: ({ items, nextPage, archived }) => {
        this.#moveCursor({});
        this.#emit("synced", { conversations: items, nextPage, archived });
      },
    });
    const parts = { outbox: this.#outbox, receipts: this.#receipts, requests: this.#requests, indicators: this.#indicators };
    const inbound = { ...parts, timeline: this.#timeline, presence: this.presence };
    this.#inbound = new Inbound(inbound, (type, payload, meta) => this.#emit(type, payload, meta));
    this.#connection = new Connection({
      baseUrl,
      tokens,
      transport,
      clock,
      handlers: {
        onFrame: (frame) => this.#onFrame(frame),
        onState: (change) => this.#emit("state", change),
        onEnd: (code) => this.#onEnd(code),
        status: () => this.#status,
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

  /** The cursor up to which all events have been emitted, from which another client of this user can resume. Null at first. */
  get cursor() {
    return this.#safeCursor;
  }

  /** The features of the deployment, known while connected: `message.edit`, `reaction`, `upload` … */
  get features() {
    return this.#features;
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

  /**
   * Continues where an earlier client of the user was: call it before the first `connect`. It resumes from `cursor`.
   *
   * @param {string} cursor
   * @param {string} userId whose it is
   * @param {Map<string, number>} seen conversation → the last seq that the application has
   */
  resumeFrom(cursor, userId, seen) {
    this.#userId = userId;
    this.#connection.resumeFrom(cursor);
    this.#safeCursor = cursor;
    for (const [conversationId, seq] of seen) this.#timeline.track(conversationId, seq);
  }

  /** Connects, and stays connected until `close`. After `close` it may be called again. */
  connect() {
    this.#connection.requireWebSocket();
    this.#leftovers?.load();
    this.#outbox.open();
    this.#stopWakeups();
    this.#stopWakeups = onWakeups(() => this.#connection.wake());
    this.#connection.start();
  }

  /**
   * Call it when the network may have changed, or when the app is visible again. It reconnects at once instead of waiting, and
   * checks an open connection. In browsers the client notices by itself; React Native apps must call it.
   */
  wake() {
    this.#connection.wake();
  }

  /**
   * Closes the client. Messages that were not acknowledged are rejected with the code `closed`; with a storage, the next client
   * of this user sends them.
   */
  close() {
    this.#leftovers?.pause();
    this.#stopWakeups();
    this.#connection.stop();
    this.#timeline.close();
    this.#receipts.close();
    this.#indicators.close();
    const error = new ChatError("closed", "The client was closed");
    this.#requests.close(error);
    this.#outbox.close(error);
  }

  /**
   * Uploads a file for the `media` of a message in the same conversation. It retries when the network fails.
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
    this.#tellFailure(whole, sent);
    return { tempId: whole.tempId, sent };
  }

  /** Messages that are not acknowledged yet. Once the client is connected, they include those of an earlier process. */
  get drafts() {
    return this.#outbox.drafts;
  }

  /**
   * Discards a waiting message.
   *
   * @param {string} tempId
   */
  discard(tempId) {
    return this.#outbox.discard(tempId);
  }

  /**
   * Tells that the application has a conversation's messages up to `seq`. From now on, later gaps are filled.
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
   * Tells whether the app is visible and in use. While it is not, this device gets push notifications although it is connected.
   *
   * @param {boolean} isActive kept over reconnects
   */
  setActive(isActive) {
    if (isActive === this.#isActive) return;
    this.#isActive = isActive;
    this.#connection.send(COMMAND.CLIENT_STATE, { active: isActive });
  }

  /**
   * @param {string} username
   * @returns {Promise<import("./types.d.ts").BlockAddedPayload>}
   */
  block(username) {
    return this.#requests.ask(COMMAND.BLOCK_ADD, { username }, isAnswer(EVENT.BLOCK_ADDED, { username }));
  }

  /**
   * @param {string} username
   * @returns {Promise<import("./types.d.ts").BlockRemovedPayload>}
   */
  unblock(username) {
    return this.#requests.ask(COMMAND.BLOCK_REMOVE, { username }, isAnswer(EVENT.BLOCK_REMOVED, { username }));
  }

  /**
   * Changes the text of one of the user's messages, or the caption of its media.
   *
   * @param {string} conversationId
   * @param {number} seq
   * @param {string} content
   * @returns {Promise<import("./types.d.ts").MessageUpdatedPayload>}
   */
  edit(conversationId, seq, content) {
    const payload = { conversationId: conversationId.toLowerCase(), seq, content, tempId: newTempId() };
    return this.#requests.ask(COMMAND.MESSAGE_EDIT, payload, isAnswer(EVENT.MESSAGE_UPDATED, { tempId: payload.tempId }));
  }

  /**
   * Deletes one of the user's messages for everybody.
   *
   * @param {string} conversationId
   * @param {number} seq
   * @returns {Promise<import("./types.d.ts").MessageDeletedPayload>}
   */
  deleteMessage(conversationId, seq) {
    const payload = { conversationId: conversationId.toLowerCase(), seq, tempId: newTempId() };
    return this.#requests.ask(COMMAND.MESSAGE_DELETE, payload, isAnswer(EVENT.MESSAGE_DELETED, { tempId: payload.tempId }));
  }

  /**
   * @param {string} conversationId
   * @param {number} seq
   * @param {string} emoji one emoji
   * @returns {Promise<import("./types.d.ts").ReactionUpdatedPayload>}
   */
  addReaction(conversationId, seq, emoji) {
    return this.#react(COMMAND.REACTION_ADD, { conversationId: conversationId.toLowerCase(), seq, emoji }, true);
  }

  /**
   * @param {string} conversationId
   * @param {number} seq
   * @param {string} emoji
   * @returns {Promise<import("./types.d.ts").ReactionUpdatedPayload>}
   */
  removeReaction(conversationId, seq, emoji) {
    return this.#react(COMMAND.REACTION_REMOVE, { conversationId: conversationId.toLowerCase(), seq, emoji }, false);
  }

  /**
   * @param {string} type
   * @param {{ conversationId: string, seq: number, emoji: string }} reaction
   * @param {boolean} active
   */
  #react(type, reaction, active) {
    const answer = (/** @type {string} */ event, /** @type {any} */ payload) =>
      isAnswer(EVENT.REACTION_UPDATED, { ...reaction, active, userId: this.#userId })(event, payload);
    return this.#requests.ask(type, reaction, answer);
  }

  /**
   * Emits `message.failed`, for applications that don't use the promise.
   *
   * @param {import("./outbox.js").StoredDraft} draft
   * @param {Promise<unknown>} sent
   */
  #tellFailure(draft, sent) {
    sent.catch((error) => this.#emit("message.failed", { draft, error }));
  }

  /** @param {import("./types.d.ts").Frame} frame */
  #onFrame(frame) {
    if (frame.type === EVENT.CONNECTION_SUCCESS) this.#onOpen(frame.payload);
    this.#inbound.take(frame);
    this.#moveCursor(frame);
  }

  /**
   * Messages that wait for earlier ones, or that a resync still reads, are before the cursor, but the application lacks them.
   *
   * @param {{ cursor?: string }} frame that was handled
   */
  #moveCursor(frame) {
    if (this.#timeline.isComplete) this.#safeCursor = this.#connection.cursorAfter(frame);
  }

  /** @param {any} welcome payload of `connection.success` */
  #onOpen({ userId, maxMessageBytes, recovered, features }) {
    this.#userId = userId;
    this.#features = features ?? [];
    this.#maxMessageBytes = maxMessageBytes ?? this.#maxMessageBytes;
    void this.#leftovers?.restore(userId, this.#outbox).then((left) => left.forEach(({ draft, settled }) => this.#tellFailure(draft, settled)));
    this.#timeline.opened(recovered === true);
    if (this.#status !== "online") this.#connection.send(COMMAND.PRESENCE_SET, { status: this.#status });
    this.#outbox.resume();
    this.#receipts.resume();
    this.#requests.resume();
    if (!this.#isActive) this.#connection.send(COMMAND.CLIENT_STATE, { active: false });
  }

  /** @param {import("./timeline.js").Item} item */
  #onMessage({ type, payload, meta }) {
    const { conversationId, senderId } = payload.message;
    this.#emit(type, payload, meta);
    const seen = this.#timeline.seen(conversationId) ?? 0;
    if (this.#autoDelivered && senderId !== this.#userId) this.#receipts.delivered(conversationId, seen);
  }

  /** @param {number} code */
  #onEnd(code) {
    const tooBig = new ChatError("validation_error", "The server refused the message as too big");
    if (code === CLOSE.TOO_BIG && !this.#outbox.failLargestInFlight(tooBig)) this.#connection.stop("frame_too_big");
    this.#outbox.suspend();
    this.#receipts.suspend();
    this.#requests.suspend();
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

/**
 * Whether an event has this type and these fields.
 *
 * @param {string} answer
 * @param {Record<string, unknown>} fields
 */
function isAnswer(answer, fields) {
  return (/** @type {string} */ type, /** @type {any} */ payload) =>
    type === answer && Object.entries(fields).every(([name, value]) => folded(payload[name]) === folded(value));
}

/** @param {any} value a text in the form in which names are compared: the server answers with its own spelling */
function folded(value) {
  return value?.normalize?.("NFKC").toUpperCase() ?? value;
}
