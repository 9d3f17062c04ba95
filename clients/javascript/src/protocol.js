/**
 * The wire vocabulary of `chat.v1`: every event name and close code that this client uses.
 * The shapes of the payloads are in `types.d.ts`.
 */

export const SUBPROTOCOL = "chat.v1";
export const SOCKET_PATH = "/chat/ws";

/** Events that a client sends. */
export const COMMAND = Object.freeze({
  MESSAGE_SEND: "message.send",
  MESSAGE_DELIVERED: "message.delivered",
  MESSAGE_READ: "message.read",
  MESSAGE_EDIT: "message.edit",
  MESSAGE_DELETE: "message.delete",
  REACTION_ADD: "reaction.add",
  REACTION_REMOVE: "reaction.remove",
  CLIENT_STATE: "client.state",
  PRESENCE_SET: "presence.set",
  TYPING_START: "typing.start",
  TYPING_STOP: "typing.stop",
  PING: "ping",
  BLOCK_ADD: "block.add",
  BLOCK_REMOVE: "block.remove",
  AUTH_REFRESH: "auth.refresh",
});

/** Events that the server sends. */
export const EVENT = Object.freeze({
  CONNECTION_SUCCESS: "connection.success",
  STATUS_BULK: "status.bulk",
  MESSAGE_SENT: "message.sent",
  MESSAGE_NEW: "message.new",
  MESSAGE_DELIVERED_UPDATE: "message.delivered_update",
  MESSAGE_READ_ACK: "message.read_ack",
  MESSAGE_READ_UPDATE: "message.read_update",
  MESSAGE_UPDATED: "message.updated",
  MESSAGE_DELETED: "message.deleted",
  REACTION_UPDATED: "reaction.updated",
  CONVERSATION_UPDATED: "conversation.updated",
  CONVERSATION_CLEARED: "conversation.cleared",
  USER_ONLINE: "user.online",
  USER_OFFLINE: "user.offline",
  USER_STATUS: "user.status",
  USER_UPDATED: "user.updated",
  USER_DELETED: "user.deleted",
  TYPING_START: "typing.start",
  TYPING_STOP: "typing.stop",
  PONG: "pong",
  BLOCK_ADDED: "block.added",
  BLOCK_REMOVED: "block.removed",
  AUTH_EXPIRING: "auth.expiring",
  AUTH_REFRESHED: "auth.refreshed",
  ERROR: "error",
});

/** Close codes: RFC 6455 section 7.4.1 below 4000, the protocol's own above. */
export const CLOSE = Object.freeze({
  NORMAL: 1000,
  GOING_AWAY: 1001,
  ABNORMAL: 1006,
  POLICY: 1008,
  TOO_BIG: 1009,
  INTERNAL: 1011,
  RESTART: 1012,
  EVENTS_LOST: 1013,
  TOKEN_EXPIRED: 4401,
  TOO_SLOW: 4408,
  REPLACED: 4409,
  NO_PONG: 4410,
});

/**
 * One frame as text.
 *
 * @param {string} type
 * @param {object} payload
 * @returns {string}
 */
export function encode(type, payload) {
  return JSON.stringify({ type, payload });
}

/**
 * The frame in `data`, or null when this client can't use it: a client must not fail on frames of a newer server.
 *
 * @param {unknown} data
 * @returns {import("./types.d.ts").Frame | null}
 */
export function decode(data) {
  if (typeof data !== "string") return null;
  try {
    const frame = JSON.parse(data);
    return typeof frame?.type === "string" ? frame : null;
  } catch {
    return null;
  }
}

/**
 * The size of `text` on the wire, in bytes.
 *
 * @param {string} text
 */
export function byteLength(text) {
  let bytes = 0;
  for (const character of text) {
    const point = /** @type {number} */ (character.codePointAt(0));
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  }
  return bytes;
}
