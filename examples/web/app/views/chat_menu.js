/** What can be done with a chat: pin, mute, archive, mark as unread, delete. */
import { openMenu } from "./menu.js";

const MUTE_HOURS = 8;

/** @param {HTMLElement} anchor @param {any} conversation @param {any} actions */
export function openChatMenu(anchor, conversation, actions) {
  const { id, me } = conversation;
  if (!me) return;
  const change = (changes) => () => void actions.changeConversation(id, changes);
  const isMuted = isMutedNow(me);
  const until = new Date(Date.now() + MUTE_HOURS * 3_600_000).toISOString();
  openMenu(anchor, [
    { label: me.pinned ? "Unpin" : "Pin", onChoose: change({ pinned: !me.pinned }) },
    { label: isMuted ? "Unmute" : `Mute for ${MUTE_HOURS} hours`, onChoose: change({ mutedUntil: isMuted ? null : until }) },
    { label: me.archived ? "Move out of the archive" : "Archive", onChoose: change({ archived: !me.archived }) },
    { label: "Mark as unread", onChoose: change({ markedUnread: true }) },
    { label: "Delete chat for me", danger: true, onChoose: () => void actions.clearConversation(id) },
  ]);
}

/** Whether a conversation's settings keep it quiet. */
export function isMutedNow(me) {
  return me?.mutedUntil != null && Date.parse(me.mutedUntil) > Date.now();
}
