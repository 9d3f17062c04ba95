/** Model — everything that the page shows. Code that changes it calls `changed`; the views draw once for several changes. */
import { Thread } from "./thread.js";

export class Model {
  /** {userId, username} */
  me;
  connection = { state: "idle" };
  /** Whether the list of conversations is loaded. */
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
  /** What is being written instead of a new message, by conversation: {kind: "reply" or "edit", message}. */
  composing = new Map();
  /** Of the list of conversations: where its next page begins, or null. */
  nextPage = null;
  /** By conversation: the first message that was unread when it was opened. */
  #unreadFrom = new Map();
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

  /** The thread of a conversation. It is created at the first call. */
  thread(conversationId) {
    if (!this.#threads.has(conversationId)) this.#threads.set(conversationId, new Thread());
    return this.#threads.get(conversationId);
  }

  /** The other participant. */
  peer(conversation) {
    return conversation.participants.find(({ id }) => id !== this.me.userId) ?? conversation.participants[0];
  }

  /** Conversations that are listed: pinned ones first, then the newest activity. */
  get chats() {
    const at = ({ lastMessage, updatedAt }) => Date.parse(lastMessage?.createdAt ?? updatedAt);
    const pinned = ({ me }) => Number(me?.pinned ?? false);
    return [...this.conversations.values()].filter(isListed).sort((a, b) => pinned(b) - pinned(a) || at(b) - at(a));
  }

  /** The archived ones. */
  get archived() {
    return [...this.conversations.values()].filter(({ me }) => me?.archived);
  }

  /** Keeps where the unread messages of a conversation begin: for the line above them, as long as it is open. */
  noteUnread(conversationId) {
    const { unread = 0, me, lastSeq } = this.conversations.get(conversationId) ?? {};
    this.#unreadFrom.set(conversationId, unread ? Math.max((me?.readSeq ?? 0) + 1, lastSeq - unread + 1) : null);
  }

  /** The seq of the first message that was unread when the conversation was opened, or null. */
  unreadFrom(conversationId) {
    return this.#unreadFrom.get(conversationId) ?? null;
  }

  get unreadTotal() {
    return [...this.conversations.values()].reduce((sum, { unread }) => sum + unread, 0);
  }

  /** Stores a conversation from the server, unless a newer one is known. */
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
    this.thread(message.conversationId).append(message);
  }

  /** A stored message was changed: `change` gives the message after it from the one before. */
  changeMessage(conversationId, seq, change) {
    this.thread(conversationId).change(seq, change);
    const conversation = this.conversations.get(conversationId);
    if (conversation?.lastMessage?.seq !== seq) return;
    this.conversations.set(conversationId, { ...conversation, lastMessage: change(conversation.lastMessage) });
  }

  /** The history up to `seq` is hidden from this user. */
  clearHistory(conversationId, seq) {
    this.thread(conversationId).clearTo(seq);
    const conversation = this.conversations.get(conversationId);
    if (!conversation) return;
    const me = { ...conversation.me, clearedSeq: seq };
    const lastMessage = conversation.lastMessage?.seq > seq ? conversation.lastMessage : null;
    this.conversations.set(conversationId, { ...conversation, lastMessage, unread: 0, me });
  }

  /** Somebody's profile changed. */
  putUser({ userId, ...profile }) {
    for (const [id, conversation] of this.conversations) {
      const participants = conversation.participants.map((one) => (one.id === userId ? { ...one, ...profile } : one));
      this.conversations.set(id, { ...conversation, participants });
    }
    const friend = this.friends.get(userId);
    if (friend) this.friends.set(userId, { ...friend, ...profile });
  }

  setUnread(conversationId, unread) {
    const conversation = this.conversations.get(conversationId);
    if (conversation) this.conversations.set(conversationId, { ...conversation, unread });
  }
}

/** Whether a conversation is in the list: not archived, and not deleted by this user since its last message. */
function isListed({ me, lastMessage, lastSeq }) {
  return !me?.archived && (lastMessage !== null || (me?.clearedSeq ?? 0) < Math.max(lastSeq, 1));
}
