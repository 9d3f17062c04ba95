/** Avatars: a letter on a colour that belongs to the user, and a dot for the status. */
import { initial } from "../words.js";

/** Fills `node`; without `presence` there is no dot. */
export function fillAvatar(node, { id, name, presence }) {
  node.textContent = initial(name);
  node.setAttribute("aria-hidden", "true");
  node.style.setProperty("--hue", String(parseInt(id.replaceAll("-", "").slice(-6), 16) % 360));
  node.dataset.status = presence ? (presence.isOnline ? presence.status : "offline") : "none";
}
