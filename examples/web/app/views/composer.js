/**
 * The field to write in: Enter sends, Shift and Enter begins a line. Files are chosen, pasted or dropped. What was begun stays with
 * its conversation.
 */
import { byId, setText } from "../dom.js";
import { summary } from "../words.js";
import { Attachments } from "./attachments.js";
import { say } from "./toasts.js";

export function showComposer({ client, model, actions }) {
  const form = byId("composer");
  const text = byId("composer-text");
  const drafts = new Map();
  const attachments = new Attachments({ client, say });
  let shownId = null;
  let composing = null;

  const takesFiles = () => client.features.includes("upload");
  const fit = () => {
    text.style.height = "auto";
    text.style.height = `${text.scrollHeight}px`;
  };
  const send = () => {
    const content = text.value.trim();
    const media = model.openId && attachments.take(model.openId);
    if (!media || (!content && !media.length)) return;
    actions.send(model.openId, content, media);
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
  byId("composing-end").onclick = () => actions.endComposing(model.openId);
  text.onkeydown = (event) => {
    if (event.key === "Escape" && composing) actions.endComposing(model.openId);
    // While an input method composes a character, Enter belongs to it.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };

  takeFiles((files) => {
    if (model.openId && !text.disabled && takesFiles()) attachments.add(model.openId, files);
  });
  /** What is answered or edited: the text of the old message comes into the field, and leaves it when the change is given up. */
  const showComposing = (isOther) => {
    const now = model.composing.get(model.openId) ?? null;
    byId("composing").hidden = !now;
    if (now) setText(byId("composing-text"), `${now.kind === "edit" ? "Editing" : "Replying to"}: ${summary(now.message)}`);
    if (now === composing) return;
    if (!isOther && now?.kind === "edit") text.value = now.message.content ?? "";
    else if (!isOther && composing?.kind === "edit") text.value = "";
    composing = now;
    fit();
    if (now) text.focus();
  };

  return () => {
    const conversation = model.openConversation;
    const isBlocked = conversation !== null && model.blocked.has(model.peer(conversation).username);
    text.disabled = byId("attach").disabled = isBlocked;
    byId("attach").hidden = !takesFiles();
    text.placeholder = isBlocked ? "Unblock to write" : "Message";
    const isOther = shownId !== model.openId;
    showComposing(isOther);
    if (!isOther) return;
    drafts.set(shownId, text.value);
    shownId = model.openId;
    attachments.show(shownId);
    text.value = drafts.get(shownId) ?? "";
    fit();
    // On a phone the keyboard would cover what was just opened.
    if (shownId && matchMedia("(hover: hover)").matches) text.focus();
  };
}

/** Calls `take` with files that the user chooses, pastes into the field, or drops on the conversation. */
function takeFiles(take) {
  const input = byId("attach-files");
  const pane = byId("conversation");
  byId("attach").onclick = () => input.click();
  input.onchange = () => {
    take([...input.files]);
    input.value = "";
  };
  byId("composer-text").addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    take(files);
  });
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  pane.addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    pane.classList.add("dropping");
  });
  pane.addEventListener("dragleave", (event) => {
    if (!pane.contains(event.relatedTarget)) pane.classList.remove("dropping");
  });
  pane.addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    pane.classList.remove("dropping");
    take([...event.dataTransfer.files]);
  });
}
