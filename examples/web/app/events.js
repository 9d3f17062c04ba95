/** What the client's events change in the model. */
import { deleted, edited, quoteDeleted, reacted } from "/client/src/store/changes.js";
import { problemText } from "./words.js";

/**
 * @param {import("/client/src/index.js").ChatClient} client
 * @param {import("./model.js").Model} model
 * @param {import("./actions.js").Actions} actions
 */
export function followEvents(client, model, actions) {
  const on = (type, change) =>
    client.on(type, (payload, meta) => {
      change(payload, meta);
      model.changed();
    });

  on("state", (change) => {
    model.connection = change;
    if (change.state !== "open") model.typing.clear();
  });
  on("synced", ({ conversations, archived = [], nextPage }) => {
    model.ready = true;
    model.nextPage = nextPage;
    [...conversations, ...archived].forEach((conversation) => model.putConversation(conversation));
    actions.onSynced();
  });
  on("lost", ({ conversationId }) => {
    model.thread(conversationId).clear();
    if (conversationId === model.openId) void actions.history.loadOlder();
  });
  on("presence", ({ userId }) => {
    if (userId !== model.me.userId && !model.friends.has(userId)) actions.refreshFriends();
  });

  on("message.new", ({ message, unread }) => {
    model.typing.delete(message.conversationId);
    model.putMessage(message, unread?.conversation);
    actions.onArrival(message);
  });
  on("message.sent", ({ message }) => {
    model.putMessage(message);
    actions.ensureConversation(message.conversationId);
  });
  on("message.failed", ({ draft, error }) => {
    if (error.code === "closed") return;
    if (error.code === "discarded") actions.settled(draft.conversationId, draft.tempId);
    else model.thread(draft.conversationId).trouble(draft.tempId, problemText(error), true);
  });
  on("error", (error, { ref }) => {
    if (!ref?.tempId || !error.retryable) return;
    model.thread(ref.conversationId).trouble(ref.tempId, `${error.message}; trying again`, false);
  });

  on("message.delivered_update", ({ conversationId, seq }) => model.thread(conversationId).markDelivered(seq));
  on("message.read_update", ({ conversationId, seq }) => model.thread(conversationId).markRead(seq));
  on("message.read_ack", ({ conversationId, unread }) => model.setUnread(conversationId, unread.conversation));
  on("message.updated", (change) => model.changeMessage(change.conversationId, change.seq, edited(change)));
  on("message.deleted", (change) => {
    model.thread(change.conversationId).changeAll(quoteDeleted(change));
    model.changeMessage(change.conversationId, change.seq, deleted(change));
    if (change.unread) model.setUnread(change.conversationId, change.unread.conversation);
  });
  on("reaction.updated", (change) => model.changeMessage(change.conversationId, change.seq, reacted(change)));
  on("conversation.updated", ({ conversation }) => model.putConversation(conversation));
  on("conversation.cleared", ({ conversationId, clearedSeq }) => model.clearHistory(conversationId, clearedSeq));
  on("user.updated", (user) => model.putUser(user));
  on("user.deleted", ({ conversationId }) => {
    model.thread(conversationId).clear();
    void actions.readConversation(conversationId);
    if (conversationId === model.openId) void actions.history.loadOlder();
  });
  on("typing.start", ({ conversationId }) => model.typing.add(conversationId));
  on("typing.stop", ({ conversationId }) => model.typing.delete(conversationId));
  on("block.added", ({ username }) => model.blocked.add(username));
  on("block.removed", ({ username }) => model.blocked.delete(username));
}
