/** The own name and status, the greeting, and the title of the tab. */
import { byId, setText } from "../dom.js";
import { leave } from "../session.js";
import { fillAvatar } from "./avatar.js";

export function showMyself({ client, model, actions }) {
  const { username, userId } = model.me;
  const status = byId("me-status");
  setText(byId("me-name"), username);
  setText(byId("welcome-name"), username);
  const other = username === "bob" ? "alice" : "bob";
  const link = byId("welcome-link");
  link.textContent = other;
  link.href = `?${new URLSearchParams({ user: other, with: username })}`;
  status.onchange = () => actions.setStatus(status.value);
  byId("leave").onclick = async () => {
    await leave();
    client.close();
  };

  return () => {
    const isOnline = model.connection.state === "open";
    fillAvatar(byId("me-avatar"), { id: userId, name: username, presence: { isOnline, status: status.value } });
    document.title = `${model.unreadTotal ? `(${model.unreadTotal}) ` : ""}${username} · Chat`;
  };
}
