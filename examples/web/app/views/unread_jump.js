/** The button that leads to the first message that was unread when the chat was opened, while that is out of sight. */
import { byId } from "../dom.js";

export function showUnreadJump({ model, actions }) {
  const button = byId("jump-unread");
  const scroller = byId("scroller");
  let shownId = null;
  let wasSeen = false;

  const update = () => {
    if (shownId !== model.openId) wasSeen = false;
    shownId = model.openId;
    const seq = shownId && model.unreadFrom(shownId);
    if (seq && !wasSeen) {
      const node = document.querySelector(`[data-key="${shownId}/${seq}"]`);
      wasSeen = Boolean(node) && node.getBoundingClientRect().bottom > scroller.getBoundingClientRect().top;
    }
    button.hidden = !seq || wasSeen || !["partial", "whole"].includes(model.thread(shownId).history);
  };
  button.onclick = () => void actions.history.jumpTo(model.unreadFrom(model.openId));
  scroller.addEventListener("scroll", update);
  return update;
}
