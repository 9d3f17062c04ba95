/** What can be done with a message: react, reply, edit, delete. Only what the server offers is shown. */
import { element } from "../dom.js";
import { openMenu } from "./menu.js";

const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/** @param {HTMLElement} anchor @param {any} entry a stored message @param {{ client: any, actions: any, own: boolean }} context */
export function openMessageMenu(anchor, entry, { client, actions, own }) {
  const offers = (name) => client.features.includes(name);
  const entries = [];
  if (offers("reaction")) entries.push(reactionBar(entry, actions));
  if (offers("reply")) entries.push({ label: "Reply", onChoose: () => actions.replyTo(entry) });
  if (entry.content) entries.push({ label: "Copy text", onChoose: () => void navigator.clipboard?.writeText(entry.content) });
  if (own && offers("message.edit")) entries.push({ label: "Edit", onChoose: () => actions.beginEdit(entry) });
  if (own && offers("message.delete")) {
    entries.push({ label: "Delete for everybody", danger: true, onChoose: () => void actions.deleteMessage(entry) });
  }
  if (entries.length) openMenu(anchor, entries);
}

function reactionBar(entry, actions) {
  const buttons = EMOJI.map((emoji) =>
    element("button", { type: "button", textContent: emoji, ariaLabel: `React with ${emoji}`, onclick: () => void actions.react(entry, emoji) }),
  );
  return element("div", { className: "reaction-bar" }, ...buttons);
}
