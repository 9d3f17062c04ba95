/** History — which part of the open conversation is here, and loading the others: older, newer, and around a message. */
import { problemText } from "./words.js";

const PAGE = 40;

export class History {
  #client;
  #model;
  #say;

  constructor({ client, model, say }) {
    this.#client = client;
    this.#model = model;
    this.#say = say;
  }

  /** Loads the newest messages of the open conversation, or the next older ones. */
  async loadOlder() {
    const conversation = this.#model.openConversation;
    const thread = conversation && this.#model.thread(conversation.id);
    if (!thread || thread.history === "loading" || thread.history === "whole") return;
    const before = thread.history;
    thread.history = "loading";
    this.#model.changed();
    try {
      const beforeSeq = before === "none" ? conversation.lastSeq + 1 : thread.firstSeq;
      await this.#loadPage(conversation.id, thread, beforeSeq);
      thread.isBroken = false;
    } catch (error) {
      thread.history = before;
      thread.isBroken = true;
      this.#say(problemText(error));
    }
    this.#model.changed();
  }

  /** Loads the next newer messages, while the thread shows a part from the middle. */
  async loadNewer() {
    const { openId } = this.#model;
    const thread = this.#model.thread(openId);
    if (!thread.isBehind || thread.isCatchingUp) return;
    thread.isCatchingUp = true;
    await this.#loadRange(openId, { afterSeq: thread.lastSeq });
    thread.isCatchingUp = false;
  }

  /** Shows the newest messages again, after a part from the middle. */
  async showNewest() {
    this.#model.thread(this.#model.openId).clear();
    await this.loadOlder();
  }

  /** Shows a message of the open conversation. If it isn't here, the page around it is loaded. */
  async jumpTo(seq) {
    const { openId } = this.#model;
    const isHere = this.#model.thread(openId).has(seq);
    if (!isHere) await this.#loadRange(openId, { aroundSeq: seq });
    if (openId !== this.#model.openId) return;
    // Drawing what is loaded next would end a smooth scroll.
    const behavior = isHere ? "smooth" : "instant";
    document.querySelector(`[data-key="${openId}/${seq}"]`)?.scrollIntoView({ block: "center", behavior });
  }

  /** Receipts that were missed are in the messages: reads the newest of the open conversation again. */
  async refreshNewest() {
    const conversation = this.#model.openConversation;
    if (!conversation) return;
    if (this.#model.thread(conversation.id).history === "none") return this.loadOlder();
    const range = { beforeSeq: conversation.lastSeq + 1 };
    if (!this.#model.thread(conversation.id).isBehind) await this.#loadRange(conversation.id, range);
  }

  async #loadRange(conversationId, range) {
    try {
      const messages = await this.#client.rest.messages(conversationId, { ...range, limit: PAGE });
      this.#model.thread(conversationId).showPage(messages, this.#model.conversations.get(conversationId)?.lastSeq ?? 0);
    } catch (error) {
      this.#say(problemText(error));
    }
    this.#model.changed();
  }

  async #loadPage(conversationId, thread, beforeSeq) {
    const messages = beforeSeq > 1 ? await this.#client.rest.messages(conversationId, { beforeSeq, limit: PAGE }) : [];
    // Meanwhile another part may have come in the place of the one that this page belongs to.
    if (thread.joins(messages)) thread.add(messages);
    thread.history = thread.firstSeq > 1 && messages.length ? "partial" : "whole";
    this.#client.track(conversationId, beforeSeq - 1);
  }
}
