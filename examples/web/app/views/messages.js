/** The messages of the open conversation, oldest first, and where they are scrolled to. */
import { byId, element, icon, reconcile, setText } from "../dom.js";
import { clockTime, dayName, isEmojiOnly } from "../words.js";
import { drawMedia } from "./media.js";
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

export function showMessages({ model, actions }) {
  const scroller = byId("scroller");
  const jump = byId("jump");
  const keeper = new ScrollKeeper(scroller, byId("messages"));
  let shownId = null;
  let shownLast = null;

  const onEnd = () => {
    if (!keeper.isAtEnd || !model.openId) return;
    jump.hidden = true;
    actions.markRead();
  };
  scroller.onscroll = () => {
    keeper.onScroll();
    if (keeper.isAtStart) void actions.loadOlder();
    onEnd();
  };
  jump.onclick = () => keeper.toEnd("smooth");
  window.addEventListener("focus", onEnd);
  document.addEventListener("visibilitychange", onEnd);

  return () => {
    const isOther = shownId !== model.openId;
    shownId = model.openId;
    if (!shownId) return;
    const thread = model.thread(shownId);
    const entries = grouped(thread.entries, model.me.userId);
    const last = entries.at(-1);
    const isNew = keyOf(last?.entry) !== shownLast;
    shownLast = keyOf(last?.entry);
    if (isOther || (isNew && last?.entry.pending)) keeper.toEnd();
    keeper.around(() => drawAll(entries, thread, { model, actions }));
    if (isNew && last?.own === false) jump.hidden = false;
    // A page of history that doesn't fill the screen can't be scrolled: loads on until it can.
    if (keeper.hasRoom && !thread.isBroken) void actions.loadOlder();
    onEnd();
  };
}

function drawAll(entries, thread, { model, actions }) {
  const peerName = model.openConversation ? model.peer(model.openConversation).displayName : "";
  setText(byId("history-note"), historyText(thread, entries));
  reconcile(byId("messages"), entries, {
    key: ({ entry }) => `${model.openId}/${keyOf(entry)}`,
    create: createMessage,
    update: (node, item) => updateMessage(node, item, thread, { actions, peerName }),
  });
  byId("typing").hidden = !model.typing.has(model.openId);
}

function historyText({ history, isBroken }, entries) {
  if (isBroken) return "Older messages could not be loaded.";
  if (history === "loading") return "Loading …";
  return history === "whole" && !entries.length ? "No messages yet. Say hello!" : "";
}

/** Entries with what their neighbours decide: the day above them, and whether they continue a group. */
function grouped(entries, userId) {
  let previous = null;
  return entries.map((entry) => {
    const own = entry.pending || entry.senderId === userId;
    const newDay = !previous || dayName(previous.entry.createdAt) !== dayName(entry.createdAt);
    const soon = previous && Date.parse(entry.createdAt) - Date.parse(previous.entry.createdAt) < TOGETHER_MS;
    previous = { entry, own, day: newDay ? dayName(entry.createdAt) : "", joined: !newDay && soon && previous.own === own };
    return previous;
  });
}

function createMessage() {
  const text = element("span", { className: "text", dir: "auto" });
  const meta = element("span", { className: "meta" }, element("time"), element("span", { className: "progress" }));
  // Who said it shows by its side and colour; who hears the page is told.
  const author = element("span", { className: "sr-only author" });
  const bubble = element("div", { className: "bubble" }, author, element("span", { className: "media" }), text, meta);
  return element("li", {}, element("p", { className: "day" }), bubble, element("p", { className: "trouble" }));
}

function updateMessage(node, { entry, own, day, joined }, thread, { actions, peerName }) {
  const progress = own ? thread.progress(entry) : "";
  // Nothing of an entry changes but these: most of a long thread is left alone.
  const state = [progress, entry.problem, day, joined, own, peerName].join("|");
  if (node.dataset.state === state) return;
  node.dataset.state = state;
  node.className = `message ${own ? "own" : "other"} ${progress}`;
  node.classList.toggle("joined", Boolean(joined));
  node.classList.toggle("emoji", isEmojiOnly(entry.content ?? "") && !entry.media?.length);
  setText(node.querySelector(".day"), day);
  setText(node.querySelector(".author"), `${own ? "You" : peerName}: `);
  setText(node.querySelector(".text"), entry.content ?? "");
  drawMedia(node.querySelector(".media"), entry.media ?? []);
  const time = node.querySelector("time");
  setText(time, clockTime(entry.createdAt));
  time.dateTime = entry.createdAt;
  node.querySelector(".progress").replaceChildren(...(own ? [icon(...PROGRESS[progress])] : []));
  drawTrouble(node.querySelector(".trouble"), entry, actions);
}

function drawTrouble(node, entry, actions) {
  node.replaceChildren();
  if (!entry.problem) return;
  node.append(`${entry.problem} `);
  if (!entry.failed) return;
  node.append(
    element("button", { type: "button", textContent: "Try again", onclick: () => actions.resend(entry) }),
    element("button", { type: "button", textContent: "Delete", onclick: () => actions.discard(entry) }),
  );
}

/** A draft and the message that it becomes have different keys: the one goes, the other comes. */
const keyOf = (entry) => entry && (entry.pending ? entry.tempId : entry.seq);
