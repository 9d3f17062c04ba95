/** Actions — the user's actions, and reactions to events. */
import { newTempId } from "/client/src/index.js";
import { History } from "./history.js";
import { problemText } from "./words.js";

const FRIENDS_MS = 300;

export class Actions {
  #client;
  #model;
  #unsent;
  #say;
  #friendsTimer = 0;
  /** Usernames that this tab has followed: once is enough. */
  #followed = new Set();

  /**
   * @param {object} parts
   * @param {(text: string) => void} parts.say shows a short notice
   */
  constructor({ client, model, unsent, say }) {
    this.#client = client;
    this.#model = model;
    this.#unsent = unsent;
    this.#say = say;
    /** Which messages of the open conversation are here. */
    this.history = new History({ client, model, say });
  }

  /** Starts a chat with somebody, and follows them. */
  async startChat(username) {
    await this.#try(async () => {
      const conversation = await this.#client.rest.openConversation({ username });
      this.#model.putConversation(conversation);
      this.open(conversation.id);
      await this.follow(username);
    });
  }

  /** Follows somebody; both directions together make friends. */
  async follow(username, { quietly = true } = {}) {
    await this.#try(async () => {
      const { isFriend } = await this.#client.rest.follow(username);
      this.#followed.add(username);
      if (isFriend) await this.#loadFriends();
      const follows = `You follow ${username}. Once ${username} follows you, you see each other's status.`;
      if (!quietly) this.#say(isFriend ? `You and ${username} are friends now.` : follows);
    });
  }

  /** Puts a conversation on screen; null closes the one that is. */
  open(conversationId) {
    if (this.#model.openId) this.#client.stopTyping(this.#model.openId);
    this.#model.openId = conversationId;
    if (conversationId) this.#model.noteUnread(conversationId);
    this.#model.changed();
    if (conversationId && this.#model.thread(conversationId).history === "none") void this.history.loadOlder();
  }

  /** Sends what was written: a message, a reply, or the new text of an old one. `media` are uploads that are ready. */
  send(conversationId, content, media = []) {
    const { kind, message } = this.#model.composing.get(conversationId) ?? {};
    this.endComposing(conversationId);
    if (kind === "edit") return void this.#try(() => this.#client.edit(conversationId, message.seq, content));
    const attached = media.length ? { media, type: typeOf(media) } : {};
    const quote = kind === "reply" ? { replyTo: message.seq } : {};
    const draft = { conversationId, content, ...attached, ...quote, tempId: newTempId() };
    this.#unsent.add(draft);
    if (this.#model.thread(conversationId).isBehind) void this.history.showNewest();
    this.resend(draft);
    this.#followBack(conversationId);
  }

  /** Sends a failed draft again, or one that a reload interrupted. */
  resend({ conversationId, content, media, type, replyTo, tempId }) {
    const thread = this.#model.thread(conversationId);
    const plain = { conversationId, content, ...(media && { media, type }), tempId };
    const draft = { ...plain, ...(replyTo && { replyTo }) };
    // The quote of a draft is shown after it is stored, and kept for another attempt.
    thread.addPending({ ...plain, retry: draft });
    try {
      const { sent } = this.#client.send(draft);
      // A failure is reported by `message.failed`.
      sent.then((message) => this.#stored(tempId, message)).catch(() => {});
    } catch (error) {
      thread.trouble(tempId, problemText(error), true);
    }
    this.#model.changed();
  }

  /** Discards a draft. */
  discard({ conversationId, tempId }) {
    this.#client.discard(tempId);
    this.settled(conversationId, tempId);
    this.#model.changed();
  }

  #stored(tempId, message) {
    this.#model.putMessage(message);
    this.settled(message.conversationId, tempId);
    this.#model.changed();
  }

  /** Removes a draft that was stored or discarded. */
  settled(conversationId, tempId) {
    this.#model.thread(conversationId).removePending(tempId);
    this.#unsent.remove(tempId);
  }

  /** The end of the open conversation is on screen: marks it as read, if the page is visible. */
  markRead() {
    const conversation = this.#model.openConversation;
    if (!(conversation?.unread || conversation?.me?.markedUnread) || document.visibilityState !== "visible" || !document.hasFocus()) return;
    this.#client.markRead(conversation.id, conversation.lastSeq);
    this.#model.setUnread(conversation.id, 0);
    this.#model.changed();
  }

  replyTo(message) {
    this.#compose(message, "reply");
  }

  beginEdit(message) {
    this.#compose(message, "edit");
  }

  /** What is written next is a new message again. */
  endComposing(conversationId) {
    this.#model.composing.delete(conversationId);
    this.#model.changed();
  }

  async deleteMessage({ conversationId, seq }) {
    await this.#try(() => this.#client.deleteMessage(conversationId, seq));
  }

  /** Adds or removes the user's reaction. */
  async react({ conversationId, seq, reactions = [] }, emoji) {
    const isThere = reactions.some((one) => one.emoji === emoji && one.userIds.includes(this.#model.me.userId));
    const change = isThere ? "removeReaction" : "addReaction";
    await this.#try(() => this.#client[change](conversationId, seq, emoji));
  }

  /** Changes this user's settings of a conversation. */
  async changeConversation(conversationId, changes) {
    await this.#try(async () => this.#model.putConversation(await this.#client.rest.updateConversation(conversationId, changes)));
    this.#model.changed();
  }

  /** Deletes a conversation's history for this user. */
  async clearConversation(conversationId) {
    await this.#try(() => this.#client.rest.clearConversation(conversationId));
    if (this.#model.openId === conversationId) this.open(null);
  }

  /** Loads the next page of the list. */
  async loadMoreConversations() {
    await this.#try(() => this.#loadConversations({ page: this.#model.nextPage }, (nextPage) => (this.#model.nextPage = nextPage)));
  }

  /** Reads the archived conversations, which the list leaves out. */
  async loadArchived() {
    await this.#try(() => this.#loadConversations({ archived: true }));
  }

  async #loadConversations(query, onPage = () => {}) {
    const { items, nextPage } = await this.#client.rest.conversationPage({ limit: 100, ...query });
    items.forEach((conversation) => this.#model.putConversation(conversation));
    onPage(nextPage);
    this.#model.changed();
  }

  #compose(message, kind) {
    this.#model.composing.set(message.conversationId, { kind, message });
    this.#model.changed();
  }

  async setBlocked(username, blocked) {
    await this.#try(() => (blocked ? this.#client.block(username) : this.#client.unblock(username)));
  }

  setStatus(status) {
    this.#client.setStatus(status);
  }

  typing() {
    if (this.#model.openId) this.#client.typing(this.#model.openId);
  }

  reconnect() {
    this.#client.connect();
  }

  /** After a resync: reads what events don't contain. */
  onSynced() {
    for (const { id, unread, lastSeq } of this.#model.conversations.values()) {
      if (unread) this.#client.markDelivered(id, lastSeq);
    }
    this.refreshFriends();
    void this.#loadBlocks();
    void this.history.refreshNewest();
  }

  /** A message has come. */
  onArrival(message) {
    void this.ensureConversation(message.conversationId);
    if (!this.#model.friends.has(message.senderId)) this.refreshFriends();
  }

  /** Fetches a conversation that the other one has begun. */
  async ensureConversation(conversationId) {
    if (!this.#model.conversations.has(conversationId)) await this.readConversation(conversationId);
  }

  /** Reads a conversation as it is now. */
  async readConversation(conversationId) {
    await this.#try(async () => this.#model.putConversation(await this.#client.rest.conversation(conversationId)));
    this.#model.changed();
  }

  /** Reads the friends again, once for several requests. */
  refreshFriends() {
    clearTimeout(this.#friendsTimer);
    this.#friendsTimer = setTimeout(() => void this.#try(() => this.#loadFriends()), FRIENDS_MS);
  }

  async #loadFriends() {
    const friends = await this.#client.rest.friends();
    this.#model.friends = new Map(friends.map((friend) => [friend.userId, friend]));
    this.#model.changed();
  }

  async #loadBlocks() {
    await this.#try(async () => {
      this.#model.blocked = new Set((await this.#client.rest.blocks()).map(({ username }) => username));
      this.#model.changed();
    });
  }

  /** Follows a user back when this user answers them, so that both see each other's status. */
  #followBack(conversationId) {
    const peer = this.#model.peer(this.#model.conversations.get(conversationId));
    if (!this.#followed.has(peer.username) && !this.#model.friends.has(peer.id)) void this.follow(peer.username);
  }

  async #try(work) {
    try {
      await work();
    } catch (error) {
      this.#say(problemText(error));
    }
  }
}

/** What a message with these attachments is called: by their kind, when they have one in common. */
function typeOf(media) {
  const kinds = new Set(media.map(({ type }) => type));
  return kinds.size === 1 ? media[0].type : "file";
}
