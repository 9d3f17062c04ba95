/**
 * Thread — the messages of one conversation as this tab knows them: stored messages in order, and after them the drafts.
 */
export class Thread {
  /** Stored messages by seq. */
  #stored = new Map();
  /** Drafts on their way, by tempId: {tempId, content, createdAt, problem, failed}. */
  #pending = new Map();
  /** The other one has read, and has received, everything up to these. */
  #readSeq = 0;
  #deliveredSeq = 0;
  /** "none", "loading", "partial" (there are older messages), "whole". */
  history = "none";
  /** Whether there are newer messages than those here: a part from the middle is shown. */
  isBehind = false;
  /** Whether newer ones are being loaded. */
  isCatchingUp = false;
  /** Whether the last try to load history failed. */
  isBroken = false;

  /** Stored messages in order, then drafts in order. */
  get entries() {
    const stored = [...this.#stored.values()].sort((a, b) => a.seq - b.seq);
    return [...stored, ...this.#pending.values()];
  }

  get firstSeq() {
    return Math.min(...this.#stored.keys(), Infinity);
  }

  get lastSeq() {
    return Math.max(...this.#stored.keys(), 0);
  }

  add(messages) {
    for (const message of messages) this.#stored.set(message.seq, message);
  }

  /** Takes a new message, unless those before it are not here. */
  append(message) {
    if (!this.isBehind || message.seq <= this.lastSeq + 1) this.add([message]);
  }

  /** Whether contiguous messages join those here without a gap. */
  joins(messages) {
    if (!messages.length || !this.#stored.size) return true;
    return messages[0].seq <= this.lastSeq + 1 && messages.at(-1).seq >= this.firstSeq - 1;
  }

  /** Adds a page of messages. It replaces those here when there is a gap between them. `newestSeq`: the conversation's. */
  showPage(messages, newestSeq) {
    if (!this.joins(messages)) this.#stored.clear();
    this.add(messages);
    if (this.history !== "loading") this.history = this.firstSeq > 1 ? "partial" : "whole";
    this.isBehind = this.lastSeq < newestSeq;
  }

  /** Drops the stored messages, because they have a gap or aren't the newest, so that they are loaded again. */
  clear() {
    this.#stored.clear();
    this.history = "none";
    this.isBehind = false;
  }

  /** `change` gives the message after a change from the one before. */
  change(seq, change) {
    const known = this.#stored.get(seq);
    if (known) this.#stored.set(seq, change(known));
  }

  changeAll(change) {
    for (const [seq, message] of this.#stored) this.#stored.set(seq, change(message));
  }

  has(seq) {
    return this.#stored.has(seq);
  }

  /** Drops everything up to `seq`. */
  clearTo(seq) {
    for (const known of [...this.#stored.keys()]) if (known <= seq) this.#stored.delete(known);
    this.history = "whole";
    this.isBehind = false;
  }

  addPending(draft) {
    this.#pending.set(draft.tempId, { createdAt: new Date().toISOString(), ...draft, pending: true, failed: false });
  }

  /** Stores why a draft waits, or that it failed permanently. */
  trouble(tempId, problem, failed) {
    const draft = this.#pending.get(tempId);
    if (draft) this.#pending.set(tempId, { ...draft, problem, failed });
  }

  removePending(tempId) {
    this.#pending.delete(tempId);
  }

  markRead(seq) {
    this.#readSeq = Math.max(this.#readSeq, seq);
  }

  markDelivered(seq) {
    this.#deliveredSeq = Math.max(this.#deliveredSeq, seq);
  }

  /** "pending", "failed", "sent", "delivered" or "read", of an own entry. */
  progress(entry) {
    if (entry.pending) return entry.failed ? "failed" : "pending";
    if (entry.isRead || entry.seq <= this.#readSeq) return "read";
    return entry.deliveredAt || entry.seq <= this.#deliveredSeq ? "delivered" : "sent";
  }
}
