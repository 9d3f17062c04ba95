/** Applies the client's events to the store. */
import { EVENT } from "../protocol.js";
import { deleted, edited, quoteDeleted, reacted } from "./changes.js";

/**
 * @typedef {object} Parts
 * @property {import("./conversations.js").Conversations} conversations
 * @property {(conversationId: string) => import("./thread.js").Thread} thread
 * @property {Map<string, import("./thread.js").Thread>} threads
 * @property {Map<string, Set<string>>} typing
 * @property {(change: import("../types.d.ts").StateChange) => void} setConnection
 * @property {(nextPage: string | null) => void} setList
 * @property {(total: number) => void} setTotal
 * @property {(by: number) => void} countFetches counts reads that belong to applied events
 * @property {(userId: string) => void} setUser who is connected
 */

/**
 * @param {import("../client.js").ChatClient} client
 * @param {Parts} parts
 * @param {(...topics: string[]) => void} changed
 * @returns {() => void} stops following
 */
export function followEvents(client, parts, changed) {
  const { conversations, thread, threads, typing } = parts;
  /** @param {any} message @param {any} [unread] */
  const arrived = (message, unread) => {
    const { conversationId } = message;
    thread(conversationId).append(message);
    if (unread) parts.setTotal(unread.total);
    if (!conversations.addMessage(message, unread?.conversation)) fetchConversation(conversationId);
    changed("conversations", `messages:${conversationId}`);
  };
  /** @param {string} id */
  const fetchConversation = async (id) => {
    parts.countFetches(1);
    const conversation = await client.rest.conversation(id).catch(() => null);
    parts.countFetches(-1);
    if (!conversation) return;
    conversations.put(conversation);
    changed("conversations");
  };
  // Some events change the count of a conversation and don't have the total.
  const readTotal = () => void client.rest.unread().then(({ total }) => (parts.setTotal(total), changed("conversations")), () => {});
  /** @param {any} payload @param {(message: any) => any} change */
  const changeMessage = ({ conversationId, seq }, change) => {
    thread(conversationId).change(seq, change);
    conversations.changeMessage(conversationId, seq, change);
    changed("conversations", `messages:${conversationId}`);
  };
  /** @param {any} payload @param {(known: Set<string>) => void} change */
  const types = ({ conversationId }, change) => {
    const known = typing.get(conversationId) ?? new Set();
    typing.set(conversationId, known);
    change(known);
    changed(`typing:${conversationId}`);
  };

  /** @type {Record<string, (payload: any, meta: any) => void>} */
  const handlers = {
    state: (change) => {
      parts.setConnection(change);
      changed("connection");
      if (change.state === "open") return;
      const topics = [...typing.keys()].map((id) => `typing:${id}`);
      typing.clear();
      changed(...topics);
    },
    [EVENT.CONNECTION_SUCCESS]: ({ userId }) => parts.setUser(userId),
    synced: ({ conversations: list, archived = [], nextPage }) => {
      for (const conversation of [...list, ...archived]) conversations.put(conversation);
      parts.setList(nextPage);
      readTotal();
      // Missed receipts and changes are in the messages, so loaded messages are read again when they are shown.
      for (const loaded of threads.values()) loaded.reset();
      changed("conversations", ...[...threads.keys()].map((id) => `messages:${id}`));
    },
    lost: ({ conversationId }) => {
      thread(conversationId).reset();
      changed(`messages:${conversationId}`);
    },
    presence: ({ userId }) => changed(`presence:${userId}`),
    [EVENT.MESSAGE_NEW]: ({ message, unread }) => arrived(message, unread),
    [EVENT.MESSAGE_SENT]: ({ message, tempId }) => {
      thread(message.conversationId).settle(tempId);
      arrived(message);
    },
    "message.failed": ({ draft, error }) => {
      if (error.code === "discarded" || error.code === "closed") thread(draft.conversationId).settle(draft.tempId);
      else thread(draft.conversationId).put({ draft, status: "failed", error });
      changed(`messages:${draft.conversationId}`);
    },
    [EVENT.MESSAGE_UPDATED]: (payload) => changeMessage(payload, edited(payload)),
    [EVENT.MESSAGE_DELETED]: (payload) => {
      thread(payload.conversationId).changeAll(quoteDeleted(payload));
      if (payload.unread) conversations.setUnread(payload.conversationId, payload.unread.conversation);
      if (payload.unread) parts.setTotal(payload.unread.total);
      changeMessage(payload, deleted(payload));
    },
    [EVENT.REACTION_UPDATED]: (payload) => changeMessage(payload, reacted(payload)),
    [EVENT.MESSAGE_READ_ACK]: ({ conversationId, seq, unread }) => {
      conversations.setUnread(conversationId, unread.conversation);
      if (client.userId) conversations.mark(conversationId, client.userId, { readSeq: seq });
      parts.setTotal(unread.total);
      changed("conversations");
    },
    [EVENT.MESSAGE_READ_UPDATE]: ({ conversationId, readBy, seq, readAt }) => {
      conversations.mark(conversationId, readBy, { readSeq: seq });
      thread(conversationId).changeAll((one) => (one.seq <= seq && one.senderId === client.userId && !one.isRead ? { ...one, isRead: true, readAt } : one));
      changed("conversations", `messages:${conversationId}`);
    },
    [EVENT.MESSAGE_DELIVERED_UPDATE]: ({ conversationId, deliveredTo, seq, deliveredAt }) => {
      conversations.mark(conversationId, deliveredTo, { deliveredSeq: seq });
      thread(conversationId).changeAll((one) => (one.seq <= seq && one.senderId === client.userId && !one.deliveredAt ? { ...one, deliveredAt } : one));
      changed("conversations", `messages:${conversationId}`);
    },
    [EVENT.CONVERSATION_UPDATED]: ({ conversation }) => {
      if (conversations.get(conversation.id)?.unread !== conversation.unread) readTotal();
      conversations.put(conversation);
      changed("conversations");
    },
    [EVENT.CONVERSATION_CLEARED]: ({ conversationId, clearedSeq }) => {
      readTotal();
      conversations.clear(conversationId, clearedSeq);
      thread(conversationId).clear(clearedSeq);
      changed("conversations", `messages:${conversationId}`);
    },
    // The user's messages and profile are erased: what is shown is read again.
    [EVENT.USER_DELETED]: ({ conversationId }) => {
      thread(conversationId).reset();
      fetchConversation(conversationId);
      readTotal();
      changed(`messages:${conversationId}`);
    },
    [EVENT.USER_UPDATED]: (user) => {
      conversations.putUser(user);
      changed("conversations");
    },
    [EVENT.TYPING_START]: ({ conversationId, userId }) => types({ conversationId }, (known) => known.add(userId)),
    [EVENT.TYPING_STOP]: ({ conversationId, userId }) => types({ conversationId }, (known) => known.delete(userId)),
  };
  const stops = Object.entries(handlers).map(([type, handler]) => client.on(type, handler));
  return () => stops.forEach((stop) => stop());
}
