/**
 * Cache — the part of the store that survives the page: the newest conversations and messages, and the cursor from which the next
 * page resumes. It is one value, so that cursor and messages are always consistent.
 */
import { Thread } from "./thread.js";

const CONVERSATIONS = 100;
const THREADS = 20;
const MESSAGES = 40;
const SAVE_MS = 1_000;

export class Cache {
  #value;
  #client;
  #conversations;
  #threads;
  #isComplete;
  /** @type {ReturnType<typeof setTimeout> | null} */
  #timer = null;

  /**
   * @param {import("../storage.js").StoredValue} value
   * @param {import("../client.js").ChatClient} client
   * @param {object} content
   * @param {import("./conversations.js").Conversations} content.conversations
   * @param {Map<string, Thread>} content.threads
   * @param {() => boolean} content.isComplete whether everything up to the client's cursor is there
   */
  constructor(value, client, { conversations, threads, isComplete }) {
    this.#value = value;
    this.#client = client;
    this.#conversations = conversations;
    this.#threads = threads;
    this.#isComplete = isComplete;
  }

  /** Loads the cached content into the store and the client. Returns whether there was any. */
  async load() {
    const kept = await this.#value.read();
    // What another program keeps under this key is none of ours.
    if (!Array.isArray(kept?.conversations) || !Array.isArray(kept.threads) || this.#client.userId) return false;
    for (const conversation of kept.conversations) this.#conversations.put(conversation);
    for (const { id, messages } of kept.threads) {
      const thread = new Thread();
      thread.add(messages);
      this.#threads.set(id, thread);
    }
    const seen = new Map(kept.conversations.map((/** @type {any} */ { id, lastSeq }) => [id, lastSeq]));
    this.#client.resumeFrom(kept.cursor, kept.userId, seen);
    return true;
  }

  /** Saves a change soon. */
  changed() {
    this.#timer ??= setTimeout(() => void this.save(), SAVE_MS);
  }

  /** @returns {Promise<void>} */
  async save() {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { cursor, userId } = this.#client;
    if (cursor === null || userId === null || !this.#isComplete()) return;
    const conversations = [...this.#conversations.all].sort((a, b) => (a.updatedAt < b.updatedAt ? 1 : -1)).slice(0, CONVERSATIONS);
    const threads = conversations.slice(0, THREADS).flatMap(({ id }) => {
      const thread = this.#threads.get(id);
      return thread?.isLoaded && !thread.hasNewer ? [{ id, messages: thread.messages.slice(-MESSAGES) }] : [];
    });
    // When the storage is full, the next page reads everything again.
    await this.#value.write({ userId, cursor, conversations, threads }).catch(() => {});
  }
}
