/** Changes — functions that apply an event to a message, and return the changed message. */

/** @typedef {import("../types.d.ts").Message} Message */

/**
 * @param {{ content: string | null, editedAt: string }} edit payload of `message.updated`
 * @returns {(message: Message) => Message}
 */
export function edited({ content, editedAt }) {
  return (message) => ({ ...message, content, editedAt });
}

/**
 * @param {{ deletedAt: string }} deletion payload of `message.deleted`
 * @returns {(message: Message) => Message}
 */
export function deleted({ deletedAt }) {
  return ({ reactions, metadata, replyTo, editedAt, ...message }) => ({ ...message, content: null, media: [], deletedAt });
}

/**
 * Removes the content of a deleted message from a quote.
 *
 * @param {{ seq: number, deletedAt: string }} deletion
 * @returns {(message: Message) => Message}
 */
export function quoteDeleted({ seq, deletedAt }) {
  return (message) => (message.replyTo?.seq === seq ? { ...message, replyTo: { seq, deletedAt } } : message);
}

/**
 * @param {{ userId: string, emoji: string, active: boolean }} reaction payload of `reaction.updated`
 * @returns {(message: Message) => Message}
 */
export function reacted({ userId, emoji, active }) {
  return ({ reactions = [], ...message }) => {
    const known = reactions.find((one) => one.emoji === emoji);
    const others = (known?.userIds ?? []).filter((id) => id !== userId);
    const userIds = active ? (known?.userIds.includes(userId) ? known.userIds : [...others, userId]) : others;
    const next = known
      ? reactions.map((one) => (one === known ? { emoji, userIds } : one)).filter((one) => one.userIds.length > 0)
      : [...reactions, ...(active ? [{ emoji, userIds }] : [])];
    return next.length ? { ...message, reactions: next } : message;
  };
}
