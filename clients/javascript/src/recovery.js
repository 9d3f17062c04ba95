/**
 * Recovery — reads messages by REST that the socket did not bring: single gaps, and everything missed after a reconnect that the
 * server could not resume (`recovered: false`). Found messages take the same path as live ones.
 */
import { fullJitter } from "./backoff.js";
import { pause } from "./clock.js";

const PAGE = 100;
/** Pages of each list of conversations, the archived one included, that a resync reads. The application may read more. */
const LIST_PAGES = 5;
const GAP_ATTEMPTS = 6;

/** @typedef {import("./types.d.ts").ConversationPage & { cut: boolean }} List `cut`: more conversations may have changed */

/** @type {List} */
const NO_LIST = { items: [], nextPage: null, cut: false };

export class Recovery {
  #rest;
  #gaps;
  #clock;
  #handlers;
  /** @type {Map<string, Promise<void>>} conversations that are being filled */
  #filling = new Map();
  #wanted = 0;
  #running = false;
  #isBehind = false;
  /** Counts closes, so that work from before a close notices that it is over. */
  #run = 0;
  /** The newest change that a resync has seen, by the server's clock. */
  #syncedTo = "";

  /**
   * @param {object} options
   * @param {import("./rest.js").Rest} options.rest
   * @param {import("./gaps.js").Gaps<unknown>} options.gaps
   * @param {import("./clock.js").Clock} options.clock
   * @param {object} options.handlers
   * @param {(message: import("./types.d.ts").Message) => void} options.handlers.onMessage
   * @param {(lost: import("./types.d.ts").LostRange) => void} options.handlers.onLost a gap that can't be filled
   * @param {(lists: import("./types.d.ts").SyncedLists) => void} options.handlers.onSynced
   */
  constructor({ rest, gaps, clock, handlers }) {
    this.#rest = rest;
    this.#gaps = gaps;
    this.#clock = clock;
    this.#handlers = handlers;
  }

  /**
   * Fills the gap before the held messages; does nothing while that is under way.
   *
   * @param {string} conversationId
   * @returns {Promise<void>} never rejects
   */
  fill(conversationId) {
    let filling = this.#filling.get(conversationId);
    if (!filling) {
      filling = this.#fillHoles(conversationId, this.#run).finally(() => {
        if (this.#filling.get(conversationId) === filling) this.#filling.delete(conversationId);
      });
      this.#filling.set(conversationId, filling);
    }
    return filling;
  }

  /** Whether a resync is under way, failed, or was ended by `close`: messages may be missing that nothing else reads. */
  get isBehind() {
    return this.#isBehind;
  }

  /** Continues, on a new connection, what was not completed: a resync, and gaps. */
  resume() {
    if (this.#isBehind && !this.#running) void this.resync();
    for (const id of this.#gaps.conversations) if (this.#gaps.hole(id)) void this.fill(id);
  }

  /** Brings every known conversation up to date. When it is called while it runs, it runs once more. */
  async resync() {
    this.#isBehind = true;
    this.#wanted++;
    if (this.#running) return;
    this.#running = true;
    const run = this.#run;
    while (this.#wanted > 0 && run === this.#run) {
      this.#wanted = 0;
      await this.#resyncOnce(run);
    }
    if (run === this.#run) this.#running = false;
  }

  /** Ends all work under way; `resume` starts it again. */
  close() {
    this.#run++;
    this.#running = false;
    this.#wanted = 0;
    this.#filling.clear();
  }

  /** @param {number} run */
  async #resyncOnce(run) {
    const list = await this.#readList(false, run);
    if (!list || run !== this.#run) return;
    // A message does not unarchive a muted conversation. Without known conversations, no messages are read.
    const archived = this.#gaps.conversations.length ? await this.#readList(true, run) : NO_LIST;
    if (!archived || run !== this.#run) return;
    const listed = new Map([...list.items, ...archived.items].map(({ id, lastSeq }) => [id, lastSeq]));
    // The lists are newest first: a conversation that was not read has not changed, unless the reading stopped early.
    const known = this.#gaps.conversations.filter((id) => list.cut || archived.cut || listed.has(id));
    for (const id of known) await this.#catchUp(id, listed.get(id) ?? Infinity, run);
    if (run !== this.#run) return;
    const times = [...list.items, ...archived.items].map(({ updatedAt = "" }) => updatedAt);
    this.#syncedTo = times.reduce((newest, time) => (time > newest ? time : newest), this.#syncedTo);
    this.#isBehind = this.#wanted > 0;
    this.#handlers.onSynced({ items: list.items, nextPage: list.nextPage, archived: archived.items });
  }

  /**
   * The conversations that changed since the last resync, and at least a page of them.
   *
   * @param {boolean} archived which of the two lists
   * @param {number} run
   * @returns {Promise<List | null>}
   */
  async #readList(archived, run) {
    const items = [];
    /** @type {string | null} */
    let page = null;
    for (let pages = 0; pages < LIST_PAGES; pages++) {
      const read = () => this.#rest.conversationPage({ limit: PAGE, page: page ?? undefined, archived: archived || undefined });
      const answer = await this.#persist(read, Infinity, run);
      if (!answer) return null;
      items.push(...answer.items);
      page = answer.nextPage;
      const oldest = answer.items[answer.items.length - 1];
      const caughtUp = oldest && !oldest.me?.pinned && (oldest.updatedAt ?? "") <= this.#syncedTo;
      if (!page || caughtUp) return { items, nextPage: page, cut: false };
      if (this.#gaps.conversations.length === 0) return { items, nextPage: page, cut: false };
    }
    return { items, nextPage: page, cut: true };
  }

  /**
   * @param {string} conversationId
   * @param {number} lastSeq Infinity when it isn't known
   * @param {number} run
   */
  async #catchUp(conversationId, lastSeq, run) {
    const seen = this.#gaps.seen(conversationId);
    if (seen === undefined || seen >= lastSeq) return;
    if (!(await this.#read(conversationId, seen, lastSeq, run)) && run === this.#run) {
      this.#handlers.onLost({ conversationId, afterSeq: seen, beforeSeq: lastSeq + 1 });
    }
  }

  /**
   * @param {string} conversationId
   * @param {number} run
   */
  async #fillHoles(conversationId, run) {
    for (let hole = this.#gaps.hole(conversationId); hole && run === this.#run; hole = this.#gaps.hole(conversationId)) {
      await this.#read(conversationId, hole.afterSeq, hole.beforeSeq - 1, run);
      if (run !== this.#run) return;
      const left = this.#gaps.hole(conversationId);
      // The gap is still open although everything was tried: show the later messages rather than nothing.
      if (left && left.beforeSeq <= hole.beforeSeq) this.#handlers.onLost({ conversationId, ...left });
    }
  }

  /**
   * Reads the messages after `afterSeq` up to `lastSeq`, and passes them on.
   *
   * @param {string} conversationId
   * @param {number} afterSeq
   * @param {number} lastSeq Infinity: all there are
   * @param {number} run
   * @returns {Promise<boolean>} whether all could be read
   */
  async #read(conversationId, afterSeq, lastSeq, run) {
    while (afterSeq < lastSeq) {
      const limit = Math.min(PAGE, lastSeq - afterSeq);
      const from = afterSeq;
      const read = () => this.#rest.messages(conversationId, { afterSeq: from, limit });
      const messages = await this.#persist(read, GAP_ATTEMPTS, run);
      if (!messages || run !== this.#run) return false;
      for (const message of messages) this.#handlers.onMessage(message);
      if (messages.length === 0) return lastSeq === Infinity;
      afterSeq = messages[messages.length - 1].seq;
    }
    return true;
  }

  /**
   * Retries while that can help.
   *
   * @template T
   * @param {() => Promise<T>} work
   * @param {number} attempts
   * @param {number} run
   * @returns {Promise<T | null>} null when it failed permanently
   */
  async #persist(work, attempts, run) {
    for (let attempt = 0; attempt < attempts && run === this.#run; attempt++) {
      try {
        return await work();
      } catch (error) {
        const { retryable, retryAfter } = /** @type {import("./errors.js").ChatError} */ (error);
        if (!retryable) return null;
        await pause(this.#clock, (retryAfter ?? 0) * 1000 + fullJitter(attempt, this.#clock.random));
      }
    }
    return null;
  }
}
