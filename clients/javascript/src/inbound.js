/** Inbound — passes each frame to the right part of the client, and emits events to the application. */
import { ChatError } from "./errors.js";
import { COMMAND, EVENT } from "./protocol.js";

const RECEIPTS = [COMMAND.MESSAGE_READ, COMMAND.MESSAGE_DELIVERED];

/**
 * @typedef {object} Parts
 * @property {import("./outbox.js").Outbox} outbox
 * @property {import("./receipts.js").Receipts} receipts
 * @property {import("./requests.js").Requests} requests
 * @property {import("./typing.js").TypingIndicators} indicators
 * @property {import("./timeline.js").Timeline} timeline
 * @property {import("./presence.js").PresenceCache} presence
 */

export class Inbound {
  #parts;
  #emit;

  /**
   * @param {Parts} parts
   * @param {(type: string, payload: unknown, meta?: object) => void} emit
   */
  constructor(parts, emit) {
    this.#parts = parts;
    this.#emit = emit;
  }

  /** @param {import("./types.d.ts").Frame} frame */
  take(frame) {
    const { type, payload } = frame;
    if (type === EVENT.ERROR) return this.#onError(frame);
    if (type === EVENT.MESSAGE_NEW || type === EVENT.MESSAGE_SENT) return this.#onMessage(type, payload);
    const { receipts, indicators, requests, presence } = this.#parts;
    if (type === EVENT.MESSAGE_READ_ACK) receipts.acknowledge(payload.conversationId, payload.seq);
    if (type === EVENT.TYPING_START) indicators.started(payload);
    if (type === EVENT.TYPING_STOP) indicators.stopped(payload);
    requests.apply(type, payload);
    const changed = presence.apply(type, payload);
    this.#emit(type, payload);
    for (const one of changed) this.#emit("presence", one);
  }

  /**
   * @param {string} type
   * @param {any} payload
   */
  #onMessage(type, payload) {
    if (type === EVENT.MESSAGE_SENT) this.#parts.outbox.settle(payload.tempId, payload.message);
    this.#parts.timeline.add({ type, payload, meta: { source: "live" } });
  }

  /** @param {import("./types.d.ts").Frame} frame */
  #onError({ error, ref = {} }) {
    const failure = ChatError.from(error);
    const { type, conversationId, tempId } = ref;
    const { outbox, receipts, requests } = this.#parts;
    if (type === COMMAND.MESSAGE_SEND && tempId) outbox.refuse(conversationId, tempId, failure);
    else if (RECEIPTS.includes(type) && failure.retryable) receipts.refuse(type, conversationId, failure.retryAfter);
    else requests.refuse(ref, failure);
    this.#emit(EVENT.ERROR, failure, { source: "live", ref });
  }
}
