/** The head of the open conversation: who it is, their status, follow and block. */
import { byId, setText } from "../dom.js";
import { presenceText } from "../words.js";
import { fillAvatar } from "./avatar.js";
import { openChatMenu } from "./chat_menu.js";

export function showPeer({ client, model, actions }) {
  byId("back").onclick = () => actions.open(null);

  return () => {
    const conversation = model.openConversation;
    byId("app").classList.toggle("has-open", conversation !== null);
    byId("conversation").hidden = conversation === null;
    byId("welcome").hidden = conversation !== null || !model.ready;
    if (!conversation) return;
    const peer = model.peer(conversation);
    const isFriend = model.friends.has(peer.id);
    const isBlocked = model.blocked.has(peer.username);
    const presence = isFriend && !isBlocked ? client.presence.get(peer.id) : null;
    fillAvatar(byId("peer-avatar"), { id: peer.id, name: peer.displayName, presence });
    setText(byId("peer-name"), peer.displayName);
    setText(byId("peer-state"), stateText({ presence, isBlocked, isTyping: model.typing.has(conversation.id), peer }));
    drawFollow(byId("peer-follow"), { peer, shown: !isFriend && !isBlocked, actions });
    drawBlock(byId("peer-block"), { peer, isBlocked, actions });
    byId("peer-menu").hidden = !conversation.me;
    byId("peer-menu").onclick = () => openChatMenu(byId("peer-menu"), conversation, actions);
  };
}

function stateText({ presence, isBlocked, isTyping, peer }) {
  if (isBlocked) return "You have blocked this user";
  if (isTyping) return "typing …";
  return presence ? presenceText(presence) : `@${peer.username}`;
}

function drawFollow(button, { peer, shown, actions }) {
  button.hidden = !shown;
  button.title = `Once you follow each other, you see each other's status`;
  button.onclick = () => void actions.follow(peer.username, { quietly: false });
}

function drawBlock(button, { peer, isBlocked, actions }) {
  setText(button, isBlocked ? "Unblock" : "Block");
  button.onclick = () => void actions.setBlocked(peer.username, !isBlocked);
}
