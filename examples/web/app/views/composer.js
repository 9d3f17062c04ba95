/** The field to write in: Enter sends, Shift and Enter begins a line. What was begun stays with its conversation. */
import { byId } from "../dom.js";

export function showComposer({ model, actions }) {
  const form = byId("composer");
  const text = byId("composer-text");
  const drafts = new Map();
  let shownId = null;

  const fit = () => {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  };
  const send = () => {
    const content = text.value.trim();
    if (!content || !model.openId) return;
    actions.send(model.openId, content);
    text.value = "";
    fit();
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    send();
    text.focus();
  };
  text.oninput = () => {
    fit();
    if (text.value) actions.typing();
  };
  text.onkeydown = (event) => {
    // While an input method composes a character, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };

  return () => {
    const conversation = model.openConversation;
    const isBlocked = conversation !== null && model.blocked.has(model.peer(conversation).username);
    text.disabled = isBlocked;
    text.placeholder = isBlocked ? "Unblock to write" : "Message";
    if (shownId === model.openId) return;
    drafts.set(shownId, text.value);
    shownId = model.openId;
    text.value = drafts.get(shownId) ?? "";
    fit();
    // On a phone the keyboard would cover what was just opened.
    if (shownId && matchMedia("(hover: hover)").matches) text.focus();
  };
}
