/** Conversations — the list, updated by events. Every change makes new objects, so snapshots never change. */

/** @typedef {import("../types.d.ts").Conversation} Conversation */
/** @typedef {import("../types.d.ts").Message} Message */

export class Conversations {
  /** @type {Map<string, Conversation>} */
  #byId = new Map();

  /** Pinned ones first, then the newest; archived ones are left out. */
  get listed() {
    const listed = [...this.#byId.values()].filter(({ me, lastMessage, lastSeq }) => !me?.archived && !isCleared(me, lastMessage, lastSeq));
    return listed.sort((a, b) => Number(b.me?.pinned ?? false) - Number(a.me?.pinned ?? false) || compare(b.updatedAt, a.updatedAt));
  }

  get all() {
    return [...this.#byId.values()];
  }

  clearAll() {
    this.#byId.clear();
  }

  /** @param {string} id */
  get(id) {
    return this.#byId.get(id) ?? null;
  }

  /**
   * Stores a conversation from the server, unless a newer one is known.
   *
   * @param {Conversation} conversation
   */
  put(conversation) {
    const known = this.#byId.get(conversation.id);
    if (!known || conversation.lastSeq >= known.lastSeq) this.#byId.set(conversation.id, conversation);
  }

  /**
   * A message was stored.
   *
   * @param {Message} message
   * @param {number | undefined} unread of the conversation, where it is known
   * @returns {boolean} whether the conversation is known
   */
  addMessage(message, unread) {
    return this.#change(message.conversationId, (known) => {
      const isNewest = message.seq >= known.lastSeq;
      const news = isNewest ? { lastMessage: message, lastSeq: message.seq, updatedAt: message.createdAt } : {};
      return { ...known, ...news, unread: unread ?? known.unread };
    });
  }

  /**
   * The last message was changed or deleted.
   *
   * @param {string} id
   * @param {number} seq
   * @param {(message: Message) => Message} change
   */
  changeMessage(id, seq, change) {
    this.#change(id, (known) => (known.lastMessage?.seq === seq ? { ...known, lastMessage: change(known.lastMessage) } : known));
  }

  /**
   * @param {string} id
   * @param {number} unread
   */
  setUnread(id, unread) {
    this.#change(id, (known) => ({ ...known, unread }));
  }

  /**
   * @param {string} id
   * @param {string} userId the user whose marks moved
   * @param {{ readSeq?: number, deliveredSeq?: number }} marks
   */
  mark(id, userId, marks) {
    this.#change(id, (known) => ({
      ...known,
      participants: known.participants.map((one) => (one.id === userId ? { ...one, ...further(one, marks) } : one)),
    }));
  }

  /**
   * The user deleted their history up to `clearedSeq`.
   *
   * @param {string} id
   * @param {number} clearedSeq
   */
  clear(id, clearedSeq) {
    this.#change(id, (known) => ({
      ...known,
      unread: 0,
      lastMessage: known.lastMessage && known.lastMessage.seq <= clearedSeq ? null : known.lastMessage,
      me: known.me && { ...known.me, clearedSeq },
    }));
  }

  /** @param {import("../types.d.ts").User & { userId?: string }} user a changed profile */
  putUser(user) {
    const id = user.userId ?? user.id;
    const { username, displayName, avatar } = user;
    for (const { id: conversationId, participants } of this.all) {
      if (!participants.some((one) => one.id === id)) continue;
      this.#change(conversationId, (known) => ({
        ...known,
        participants: known.participants.map((one) => (one.id === id ? { ...one, username, displayName, avatar } : one)),
      }));
    }
  }

  /**
   * @param {string} id
   * @param {(known: Conversation) => Conversation} change
   */
  #change(id, change) {
    const known = this.#byId.get(id);
    if (known) this.#byId.set(id, change(known));
    return known !== undefined;
  }
}

/**
 * @param {Conversation["me"]} me
 * @param {Message | null} lastMessage
 * @param {number} lastSeq
 */
function isCleared(me, lastMessage, lastSeq) {
  return !lastMessage && lastSeq > 0 && (me?.clearedSeq ?? 0) >= lastSeq;
}

/**
 * Marks only move forward; read implies delivered.
 *
 * @param {{ readSeq?: number, deliveredSeq?: number }} known
 * @param {{ readSeq?: number, deliveredSeq?: number }} marks
 */
function further(known, { readSeq = 0, deliveredSeq = 0 }) {
  const read = Math.max(known.readSeq ?? 0, readSeq);
  return { readSeq: read, deliveredSeq: Math.max(known.deliveredSeq ?? 0, deliveredSeq, read) };
}

/**
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
