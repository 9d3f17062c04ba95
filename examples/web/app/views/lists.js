/** The sidebar: the form to find somebody, the friends, the chats. */
import { byId, element, reconcile, setText } from "../dom.js";
import { presenceText, shortTime, summary } from "../words.js";
import { fillAvatar } from "./avatar.js";
import { isMutedNow, openChatMenu } from "./chat_menu.js";
import { onLongPress } from "./menu.js";

export function showLists({ client, model, actions }) {
  wireForm(actions);
  wireArrows(byId("chats"));
  wireArrows(byId("friends"));
  byId("chats-more").onclick = () => void actions.loadMoreConversations();
  byId("archive").ontoggle = () => byId("archive").open && void actions.loadArchived();

  return () => {
    const friends = [...model.friends.values()].sort((a, b) => rank(client, a) - rank(client, b) || compare(a, b));
    reconcile(byId("friends"), friends, {
      key: ({ userId }) => userId,
      create: () => row("friend", element("span", { className: "friend-name" })),
      update: (node, friend) => updateFriend(node, friend, { client, actions }),
    });
    byId("friends-hint").hidden = friends.length > 0;
    reconcile(byId("chats"), model.chats, {
      key: ({ id }) => id,
      create: () => row("chat", ...chatParts()),
      update: (node, conversation) => updateChat(node, conversation, { client, model, actions }),
    });
    reconcile(byId("archived"), model.archived, {
      key: ({ id }) => id,
      create: () => row("chat", ...chatParts()),
      update: (node, conversation) => updateChat(node, conversation, { client, model, actions }),
    });
    byId("chats-more").hidden = model.nextPage === null;
    byId("chats-hint").hidden = model.chats.length > 0 || !model.ready;
  };
}

function wireForm(actions) {
  const form = byId("find");
  form.onsubmit = (event) => {
    event.preventDefault();
    const username = byId("find-name").value.trim();
    if (!username) return;
    if (event.submitter?.value === "follow") void actions.follow(username, { quietly: false });
    else void actions.startChat(username);
    form.reset();
  };
}

/** Up and down move between the entries of a list, as the arrow keys do in every list of a desktop. */
function wireArrows(list) {
  list.onkeydown = (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const target = step && event.target.closest("li")?.[step];
    if (!target) return;
    event.preventDefault();
    target.querySelector("button").focus();
  };
}

function row(className, ...parts) {
  const button = element("button", { type: "button", className }, element("span", { className: "avatar" }), ...parts);
  return element("li", {}, button);
}

function chatParts() {
  const top = element("span", { className: "line" }, element("strong"), element("time"));
  const bottom = element("span", { className: "line" }, element("span", { className: "last" }), element("span", { className: "badge" }));
  return [element("span", { className: "lines" }, top, bottom)];
}

function updateFriend(node, friend, { client, actions }) {
  const presence = client.presence.get(friend.userId);
  const name = friend.displayName ?? friend.username;
  fillAvatar(node.querySelector(".avatar"), { id: friend.userId, name, presence });
  setText(node.querySelector(".friend-name"), name);
  const button = node.querySelector("button");
  button.title = button.ariaLabel = `${name}: ${presenceText(presence)}`;
  button.onclick = () => void actions.startChat(friend.username);
}

function updateChat(node, conversation, { client, model, actions }) {
  const peer = model.peer(conversation);
  const presence = model.friends.has(peer.id) ? client.presence.get(peer.id) : null;
  const { lastMessage, unread, id, me } = conversation;
  const button = node.querySelector("button");
  fillAvatar(node.querySelector(".avatar"), { id: peer.id, name: peer.displayName, presence });
  setText(node.querySelector("strong"), peer.displayName);
  setText(node.querySelector("time"), lastMessage ? shortTime(lastMessage.createdAt) : "");
  setText(node.querySelector(".last"), lastLine(conversation, model));
  const badge = node.querySelector(".badge");
  const isMarked = Boolean(me?.markedUnread);
  setText(badge, unread > 99 ? "99+" : unread ? String(unread) : isMarked ? "•" : "");
  badge.role = unread || isMarked ? "img" : null;
  badge.ariaLabel = unread ? `${unread} unread` : isMarked ? "marked as unread" : null;
  button.classList.toggle("muted", isMutedNow(me));
  button.classList.toggle("pinned", Boolean(me?.pinned));
  button.setAttribute("aria-current", String(model.openId === id));
  button.onclick = () => actions.open(id);
  onLongPress(button, () => openChatMenu(button, conversation, actions));
}

function lastLine({ id, lastMessage }, model) {
  if (model.typing.has(id)) return "typing …";
  if (!lastMessage) return "Say hello";
  if (lastMessage.deletedAt) return "This message was deleted";
  return (lastMessage.senderId === model.me.userId ? "You: " : "") + summary(lastMessage);
}

const ORDER = ["online", "busy", "away", "offline"];
const rank = (client, { userId }) => {
  const { isOnline, status } = client.presence.get(userId);
  return ORDER.indexOf(isOnline ? status : "offline");
};
const compare = (a, b) => a.username.localeCompare(b.username);
