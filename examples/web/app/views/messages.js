/** The messages of the open conversation, oldest first, and where they are scrolled to. */
import { byId, element, icon, reconcile, setText } from "../dom.js";
import { clockTime, dayName, isEmojiOnly, summary } from "../words.js";
import { drawMedia } from "./media.js";
import { onLongPress } from "./menu.js";
import { openMessageMenu } from "./message_menu.js";
import { ScrollKeeper } from "./scroll.js";

const PROGRESS = {
  pending: ["clock", "Sending"],
  failed: ["alert", "Not sent"],
  sent: ["tick", "Sent"],
  delivered: ["ticks", "Delivered"],
  read: ["ticks", "Read"],
};
// Messages of one person within this time stand together.
const TOGETHER_MS = 5 * 60_000;

export function showMessages({ client, model, actions }) {
  const scroller = byId("scroller");
  const jump = byId("jump");
  const keeper = new ScrollKeeper(scroller, byId("messages"));
  let shownId = null;
  let shownLast = null;

  const onEnd = () => {
    if (!keeper.isAtEnd || !model.openId) return;
    if (model.thread(model.openId).isBehind) return void actions.history.loadNewer();
    jump.hidden = true;
    actions.markRead();
  };
  scroller.onscroll = () => {
    keeper.onScroll();
    if (keeper.isAtStart) void actions.history.loadOlder();
    onEnd();
  };
  jump.onclick = async () => {
    if (!model.thread(model.openId).isBehind) return keeper.toEnd("smooth");
    await actions.history.showNewest();
    keeper.toEnd();
  };
  window.addEventListener("focus", onEnd);
  document.addEventListener("visibilitychange", onEnd);

  return () => {
    const isOther = shownId !== model.openId;
    shownId = model.openId;
    if (!shownId) return;
    const thread = model.thread(shownId);
    const entries = grouped(thread.entries, model.me.userId, model.unreadFrom(shownId));
    const last = entries.at(-1);
    const isNew = keyOf(last?.entry) !== shownLast;
    shownLast = keyOf(last?.entry);
    if (isOther || (isNew && last?.entry.pending)) keeper.toEnd();
    keeper.around(() => drawAll(entries, thread, { client, model, actions }), !thread.isBehind);
    if (thread.isBehind) keeper.onScroll();
    if (thread.isBehind || (isNew && last?.own === false)) jump.hidden = false;
    // A page of history that doesn't fill the screen can't be scrolled: loads on until it can.
    if (keeper.hasRoom && !thread.isBroken) void actions.history.loadOlder();
    onEnd();
  };
}

function drawAll(entries, thread, { client, model, actions }) {
  const peerName = model.openConversation ? model.peer(model.openConversation).displayName : "";
  setText(byId("history-note"), historyText(thread, entries));
  reconcile(byId("messages"), entries, {
    key: ({ entry }) => `${model.openId}/${keyOf(entry)}`,
    create: createMessage,
    update: (node, item) => updateMessage(node, item, thread, { client, actions, peerName, userId: model.me.userId }),
  });
  byId("typing").hidden = !model.typing.has(model.openId);
}

function historyText({ history, isBroken }, entries) {
  if (isBroken) return "Older messages could not be loaded.";
  if (history === "loading") return "Loading …";
  return history === "whole" && !entries.length ? "No messages yet. Say hello!" : "";
}

/** Entries with what their neighbours decide: the day and the line above them, and whether they continue a group. */
function grouped(entries, userId, unreadFrom) {
  let previous = null;
  return entries.map((entry) => {
    const own = entry.pending || entry.senderId === userId;
    const newDay = !previous || dayName(previous.entry.createdAt) !== dayName(entry.createdAt);
    const soon = previous && Date.parse(entry.createdAt) - Date.parse(previous.entry.createdAt) < TOGETHER_MS;
    const isFirstUnread = unreadFrom !== null && entry.seq === unreadFrom;
    const joined = !newDay && !isFirstUnread && soon && previous.own === own;
    previous = { entry, own, day: newDay ? dayName(entry.createdAt) : "", joined, isFirstUnread };
    return previous;
  });
}

function createMessage() {
  const text = element("span", { className: "text", dir: "auto" });
  const meta = element("span", { className: "meta" }, element("time"), element("span", { className: "progress" }));
  // Who said it shows by its side and colour; who hears the page is told.
  const author = element("span", { className: "sr-only author" });
  const quote = element("button", { type: "button", className: "quote", hidden: true });
  const more = element("button", { type: "button", className: "more", textContent: "⋯", ariaLabel: "More" });
  const bubble = element("div", { className: "bubble" }, author, quote, element("span", { className: "media" }), text, meta, more);
  const line = element("p", { className: "unread-line", textContent: "New messages", hidden: true });
  const reactions = element("div", { className: "reactions" });
  return element("li", {}, element("p", { className: "day" }), line, bubble, reactions, element("p", { className: "trouble" }));
}

function updateMessage(node, { entry, own, day, joined, isFirstUnread }, thread, context) {
  const { peerName } = context;
  const progress = own ? thread.progress(entry) : "";
  // Nothing of an entry changes but these: most of a long thread is left alone.
  const changes = [entry.content, entry.editedAt, entry.deletedAt, JSON.stringify([entry.reactions, entry.replyTo])];
  const state = [progress, entry.problem, day, joined, own, peerName, isFirstUnread, ...changes].join("|");
  if (node.dataset.state === state) return;
  node.dataset.state = state;
  node.className = `message ${own ? "own" : "other"} ${progress}`;
  node.classList.toggle("joined", Boolean(joined));
  node.classList.toggle("emoji", isEmojiOnly(entry.content ?? "") && !entry.media?.length);
  setText(node.querySelector(".day"), day);
  setText(node.querySelector(".author"), `${own ? "You" : peerName}: `);
  node.classList.toggle("deleted", Boolean(entry.deletedAt));
  node.querySelector(".unread-line").hidden = !isFirstUnread;
  setText(node.querySelector(".text"), entry.deletedAt ? "This message was deleted" : (entry.content ?? ""));
  drawMedia(node.querySelector(".media"), entry.media ?? []);
  const time = node.querySelector("time");
  setText(time, `${entry.editedAt ? "edited " : ""}${clockTime(entry.createdAt)}`);
  time.dateTime = entry.createdAt;
  node.querySelector(".progress").replaceChildren(...(own ? [icon(...PROGRESS[progress])] : []));
  drawTrouble(node.querySelector(".trouble"), entry, context.actions);
  drawQuote(node.querySelector(".quote"), entry, context);
  drawReactions(node.querySelector(".reactions"), entry, context);
  wireMenu(node, entry, own, context);
}

function drawQuote(node, { replyTo }, { actions, peerName, userId }) {
  node.hidden = !replyTo;
  if (!replyTo) return;
  const author = replyTo.senderId === null ? "System" : replyTo.senderId === userId ? "You" : peerName;
  const isGone = replyTo.deletedAt || !replyTo.type;
  node.replaceChildren(...(isGone ? [] : [element("strong", { textContent: author })]), isGone ? "A message that is gone" : summary(replyTo));
  node.onclick = () => void actions.history.jumpTo(replyTo.seq);
}

function drawReactions(node, entry, { actions, userId }) {
  const buttons = (entry.reactions ?? []).map(({ emoji, userIds }) => {
    const isOwn = userIds.includes(userId);
    const label = `${emoji}, ${userIds.length}${isOwn ? ", yours among them" : ""}`;
    const text = userIds.length > 1 ? `${emoji} ${userIds.length}` : emoji;
    const button = element("button", { type: "button", textContent: text, ariaLabel: label, onclick: () => void actions.react(entry, emoji) });
    button.setAttribute("aria-pressed", String(isOwn));
    return button;
  });
  node.replaceChildren(...buttons);
}

function wireMenu(node, entry, own, { client, actions }) {
  const more = node.querySelector(".more");
  more.hidden = Boolean(entry.pending || entry.deletedAt);
  const open = () => !more.hidden && openMessageMenu(more, entry, { client, actions, own });
  more.onclick = open;
  onLongPress(node.querySelector(".bubble"), open);
}

function drawTrouble(node, entry, actions) {
  node.replaceChildren();
  if (!entry.problem) return;
  node.append(`${entry.problem} `);
  if (!entry.failed) return;
  node.append(
    element("button", { type: "button", textContent: "Try again", onclick: () => actions.resend(entry.retry) }),
    element("button", { type: "button", textContent: "Delete", onclick: () => actions.discard(entry) }),
  );
}

/** A draft and the message that it becomes have different keys: the one goes, the other comes. */
const keyOf = (entry) => entry && (entry.pending ? entry.tempId : entry.seq);
