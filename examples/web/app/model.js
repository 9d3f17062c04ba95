/** Model — everything that the page shows. Whoever changes it calls `changed`; the views draw once for many changes. */
import { Thread } from "./thread.js";

export class Model {
  /** {userId, username} */
  me;
  connection = { state: "idle" };
  /** Whether the list of conversations has come. */
  ready = false;
  /** By id. */
  conversations = new Map();
  /** Friends by user id: {userId, username, displayName}. */
  friends = new Map();
  /** Usernames that this user blocks. */
  blocked = new Set();
  /** Conversations where the other one is typing. */
  typing = new Set();
  /** The conversation on screen, or null. */
  openId = null;
  #threads = new Map();
  #listeners = [];
  #scheduled = false;

  constructor(me) {
    this.me = me;
  }

  /** Calls `draw` after changes. */
  onChange(draw) {
    this.#listeners.push(draw);
  }

  changed() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      for (const draw of this.#listeners) draw();
    });
  }

  get openConversation() {
    return this.conversations.get(this.openId) ?? null;
  }

  /** The thread of a conversation, made when it is asked for first. */
  thread(conversationId) {
    if (!this.#threads.has(conversationId)) this.#threads.set(conversationId, new Thread());
    return this.#threads.get(conversationId);
  }

  /** The other participant. */
  peer(conversation) {
    return conversation.participants.find(({ id }) => id !== this.me.userId) ?? conversation.participants[0];
  }

  /** Conversations, the newest activity first. */
  get chats() {
    const at = ({ lastMessage, updatedAt }) => Date.parse(lastMessage?.createdAt ?? updatedAt);
    return [...this.conversations.values()].sort((a, b) => at(b) - at(a));
  }

  get unreadTotal() {
    return [...this.conversations.values()].reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Takes a conversation as the server states it, unless what is known here is newer. */
  putConversation(conversation) {
    const known = this.conversations.get(conversation.id);
    if (!known || conversation.lastSeq >= known.lastSeq) this.conversations.set(conversation.id, conversation);
  }

  /** Takes a message into its conversation and thread. */
  putMessage(message, unread) {
    const conversation = this.conversations.get(message.conversationId);
    if (conversation && message.seq > conversation.lastSeq) {
      this.conversations.set(conversation.id, { ...conversation, lastSeq: message.seq, lastMessage: message });
    }
    if (unread !== undefined) this.setUnread(message.conversationId, unread);
    this.thread(message.conversationId).add([message]);
  }

  setUnread(conversationId, unread) {
    const conversation = this.conversations.get(conversationId);
    if (conversation) this.conversations.set(conversationId, { ...conversation, unread });
  }
}
