/** PresenceCache — the last known status of each friend. */
import { EVENT } from "./protocol.js";

/** @typedef {import("./types.d.ts").Presence} Presence */

export class PresenceCache {
  /** @type {Map<string, Presence>} */
  #known = new Map();

  /**
   * @param {string} userId
   * @returns {Presence} offline when nothing is known
   */
  get(userId) {
    return this.#known.get(userId) ?? { userId, isOnline: false, status: "offline", lastSeen: null };
  }

  /**
   * Applies an event.
   *
   * @param {string} type
   * @param {any} payload
   * @returns {Presence[]} what changed; empty when the event is not about presence
   */
  apply(type, payload) {
    switch (type) {
      case EVENT.CONNECTION_SUCCESS:
        // `status.bulk` has all friends; users who are no longer friends must be removed.
        this.#known.clear();
        return [];
      case EVENT.STATUS_BULK:
        return payload.users.map((/** @type {Presence} */ user) => this.#set(user));
      case EVENT.USER_ONLINE:
      case EVENT.USER_OFFLINE:
      case EVENT.USER_STATUS:
        return [this.#set(payload)];
      default:
        return [];
    }
  }

  /** @param {Presence} presence */
  #set(presence) {
    this.#known.set(presence.userId, presence);
    return presence;
  }
}
