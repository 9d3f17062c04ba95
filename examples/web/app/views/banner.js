/** The banner that shows when there is no connection, and when the next attempt comes. */
import { byId, element } from "../dom.js";
import { connectionText } from "../words.js";

// Don't flash the banner for a connection that is back at once.
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
