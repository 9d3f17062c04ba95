/**
 * ChatStore — the current data for an application: conversations, messages including unsent ones, unread counts, presence and
 * typing, as snapshots with subscriptions.
 *
 * Topics: `connection`, `conversations`, `messages:<conversationId>`, `typing:<conversationId>`, `presence:<userId>`.
 */
import { StoredValue } from "../storage.js";
import { Cache } from "./cache.js";
import { Conversations } from "./conversations.js";
import { followEvents } from "./events.js";
import { Thread } from "./thread.js";
import { Topics } from "./topics.js";

const PAGE = 40;

export class ChatStore {
  #client;
  #topics = new Topics();
  #conversations = new Conversations();
  /** @type {Map<string, Thread>} */
  #threads = new Map();
  /** @type {Map<string, Set<string>>} conversation → who types there */
  #typing = new Map();
  /** @type {import("../types.d.ts").StateChange} */
  #connection;
  /** @type {string | null} */
  #nextPage = null;
  #hasList = false;
  #total = 0;
  #fetches = 0;
  /** @type {string | null} */
  #userId = null;
  #cache;
  #stop;

  /**
   * @param {import("../client.js").ChatClient} client
   * @param {import("./index.d.ts").StoreOptions} [options]
   */
  constructor(client, { storage, storageKey = "chat.cache" } = {}) {
    this.#client = client;
    this.#connection = { state: client.state };
    const content = { conversations: this.#conversations, threads: this.#threads, isComplete: () => this.#fetches === 0 };
    this.#cache = storage && new Cache(new StoredValue(storage, storageKey), client, content);
    this.#stop = followEvents(client, this.#parts(), (...topics) => this.#changed(...topics));
  }

  /**
   * Loads what the last page or process stored, and resumes from there. Call it before `client.connect()`.
   *
   * @returns {Promise<boolean>} whether there was something
   */
  async load() {
    const found = (await this.#cache?.load()) ?? false;
    if (!found) return false;
    this.#hasList = true;
    this.#userId = this.#client.userId;
    this.#total = this.#conversations.all.reduce((sum, { unread }) => sum + unread, 0);
    this.#changed("conversations", ...this.#threadTopics());
    return true;
  }

  /**
   * Saves now, and not after a second.
   *
   * @returns {Promise<void>}
   */
  save() {
    return this.#cache?.save() ?? Promise.resolve();
  }

  /** Stops following the client, and saves. */
  close() {
    this.#stop();
    return this.save();
  }

  /**
   * Adds a conversation that the application read by REST.
   *
   * @param {import("../types.d.ts").Conversation} conversation
   */
  putConversation(conversation) {
    this.#conversations.put(conversation);
    this.#changed("conversations");
  }

  /**
   * @param {string} topic
   * @param {() => void} listener
   * @returns {() => void} takes the listener off again
   */
  subscribe(topic, listener) {
    return this.#topics.subscribe(topic, listener);
  }

  /** @returns {import("../types.d.ts").StateChange} */
  get connection() {
    return this.#connection;
  }

  /** @returns {import("./index.d.ts").ConversationList} */
  get conversations() {
    return this.#topics.snapshot("conversations", () => ({
      items: this.#conversations.listed,
      isLoaded: this.#hasList,
      hasMore: this.#nextPage !== null,
      unread: this.#total,
    }));
  }

  /** @param {string} conversationId */
  conversation(conversationId) {
    return this.#conversations.get(conversationId);
  }

  /**
   * @param {string} conversationId
   * @returns {import("./index.d.ts").MessageList}
   */
  messages(conversationId) {
    return this.#topics.snapshot(`messages:${conversationId}`, () => {
      const { messages, pending, isLoaded, isLoading, hasOlder, hasNewer } = this.#thread(conversationId);
      return { items: messages, pending, isLoaded, isLoading, hasOlder, hasNewer };
    });
  }

  /**
   * @param {string} conversationId
   * @returns {readonly string[]} ids of those who type there
   */
  typing(conversationId) {
    return this.#topics.snapshot(`typing:${conversationId}`, () => [...(this.#typing.get(conversationId) ?? [])]);
  }

  /** @param {string} userId */
  presence(userId) {
    return this.#topics.snapshot(`presence:${userId}`, () => this.#client.presence.get(userId));
  }

  /** Loads the next page of the list. */
  async loadMoreConversations() {
    if (this.#nextPage === null) return;
    const { items, nextPage } = await this.#client.rest.conversationPage({ limit: 100, page: this.#nextPage });
    items.forEach((conversation) => this.#conversations.put(conversation));
    this.#nextPage = nextPage;
    this.#changed("conversations");
  }

  /**
   * Loads the newest messages, or those before the loaded ones.
   *
   * @param {string} conversationId
   */
  async loadOlder(conversationId) {
    const thread = this.#thread(conversationId);
    if (!thread.hasOlder) return;
    const { first } = thread.ends;
    await this.#read(conversationId, first ? { beforeSeq: first, limit: PAGE } : { limit: PAGE });
  }

  /**
   * Loads the messages after the loaded ones.
   *
   * @param {string} conversationId
   */
  async loadNewer(conversationId) {
    const thread = this.#thread(conversationId);
    if (thread.hasNewer) await this.#read(conversationId, { afterSeq: thread.ends.last, limit: PAGE });
  }

  /**
   * Jumps to a message: drops the loaded messages, and loads those around it.
   *
   * @param {string} conversationId
   * @param {number} seq
   */
  async loadAround(conversationId, seq) {
    const thread = this.#thread(conversationId);
    thread.reset();
    await this.#read(conversationId, { aroundSeq: seq, limit: PAGE });
  }

  /**
   * Sends a message, which is shown at once.
   *
   * @param {import("../types.d.ts").Draft} draft
   * @returns {string} its tempId
   * @throws {import("../errors.js").ChatError} `validation_error`, `outbox_full`
   */
  send(draft) {
    const { tempId } = this.#client.send(draft);
    const { conversationId } = draft;
    this.#thread(conversationId).put({ draft: { ...draft, tempId }, status: "sending" });
    this.#changed(`messages:${conversationId}`);
    return tempId;
  }

  /**
   * Sends a failed message again.
   *
   * @param {import("./thread.js").Pending} pending
   */
  retry({ draft }) {
    this.send(draft);
  }

  /**
   * Discards a message that is not acknowledged yet.
   *
   * @param {import("./thread.js").Pending} pending
   */
  discard({ draft }) {
    this.#client.discard(draft.tempId);
    this.#thread(draft.conversationId).settle(draft.tempId);
    this.#changed(`messages:${draft.conversationId}`);
  }

  /**
   * The user looks at the end of a conversation.
   *
   * @param {string} conversationId
   */
  markRead(conversationId) {
    const known = this.#conversations.get(conversationId);
    if (!known?.unread && !known?.me?.markedUnread) return;
    this.#client.markRead(conversationId, known.lastSeq);
    this.#conversations.setUnread(conversationId, 0);
    this.#total = Math.max(0, this.#total - known.unread);
    this.#changed("conversations");
  }

  #parts() {
    return {
      conversations: this.#conversations,
      thread: (/** @type {string} */ id) => this.#thread(id),
      threads: this.#threads,
      typing: this.#typing,
      setConnection: (/** @type {import("../types.d.ts").StateChange} */ change) => void (this.#connection = change),
      setList: (/** @type {string | null} */ nextPage) => void ((this.#hasList = true), (this.#nextPage = nextPage)),
      setTotal: (/** @type {number} */ total) => void (this.#total = total),
      countFetches: (/** @type {number} */ by) => void (this.#fetches += by),
      setUser: (/** @type {string} */ userId) => this.#setUser(userId),
    };
  }

  /**
   * Drops the data of another user.
   *
   * @param {string} userId
   */
  #setUser(userId) {
    const topics = this.#threadTopics();
    if (this.#userId !== null && this.#userId !== userId) {
      this.#conversations.clearAll();
      this.#threads.clear();
      this.#changed("conversations", ...topics);
    }
    this.#userId = userId;
  }

  #threadTopics() {
    return [...this.#threads.keys()].map((id) => `messages:${id}`);
  }

  /** @param {string} conversationId */
  #thread(conversationId) {
    const known = this.#threads.get(conversationId) ?? new Thread();
    this.#threads.set(conversationId, known);
    return known;
  }

  /**
   * @param {string} conversationId
   * @param {import("../types.d.ts").MessageRange & { limit: number }} range
   */
  async #read(conversationId, range) {
    const thread = this.#thread(conversationId);
    if (thread.isLoading) return;
    const reading = thread.read();
    this.#changed(`messages:${conversationId}`);
    try {
      const messages = await this.#client.rest.messages(conversationId, range);
      if (thread.reading !== reading) return;
      thread.add(messages);
      const { firstSeq = 1, lastSeq = thread.ends.last, me } = this.#conversations.get(conversationId) ?? {};
      // Paging reads what is between this page and the newest message.
      this.#client.track(conversationId, Math.max(lastSeq, thread.ends.last));
      const begin = Math.max(firstSeq, (me?.clearedSeq ?? 0) + 1);
      if (range.afterSeq === undefined) thread.hasOlder = messages.length > 0 && messages[0].seq > begin;
      thread.hasNewer = thread.ends.last < lastSeq;
    } finally {
      if (thread.reading === reading) thread.reading = null;
      this.#changed(`messages:${conversationId}`);
    }
  }

  /** @param {string[]} topics */
  #changed(...topics) {
    this.#topics.changed(...topics);
    this.#cache?.changed();
  }
}
