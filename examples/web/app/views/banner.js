/** The strip above everything that says when there is no connection, and what happens about it. */
import { byId, element } from "../dom.js";
import { connectionText } from "../words.js";

// A connection that comes back at once is not worth a flash.
const PATIENCE_MS = 600;

export function showBanner({ model, actions }) {
  const banner = byId("banner");
  let timer = 0;
  let shown = null;

  const draw = () => {
    banner.textContent = connectionText(shown);
    banner.hidden = !banner.textContent;
    banner.dataset.state = shown.state;
    if (shown.state !== "stopped") return;
    banner.append(element("button", { textContent: "Connect here", onclick: () => actions.reconnect() }));
  };

  return () => {
    if (model.connection === shown) return;
    const wasVisible = !banner.hidden;
    shown = model.connection;
    clearTimeout(timer);
    if (wasVisible || shown.state === "open" || shown.state === "stopped") draw();
    else timer = setTimeout(draw, PATIENCE_MS);
  };
}
