/** A menu that opens beside what was pressed: one for the page, filled anew each time. */
import { byId, element } from "../dom.js";

const LONG_PRESS_MS = 500;

/**
 * Opens the menu.
 *
 * @param {HTMLElement} anchor
 * @param {(HTMLElement | { label: string, onChoose: () => void, danger?: boolean })[]} entries elements are shown as they are
 */
export function openMenu(anchor, entries) {
  const menu = byId("menu");
  menu.replaceChildren(...entries.map((entry) => (entry instanceof HTMLElement ? entry : item(menu, entry))));
  menu.onclick = (event) => {
    if (event.target.closest("button")) menu.hidePopover();
  };
  menu.showPopover();
  place(menu, anchor.getBoundingClientRect());
  menu.querySelector("button")?.focus();
}

/** Calls `open` when a node is pressed with the second button, or long with a finger. */
export function onLongPress(node, open) {
  let timer = 0;
  node.oncontextmenu = (event) => {
    event.preventDefault();
    open();
  };
  node.addEventListener("touchstart", () => (timer = setTimeout(open, LONG_PRESS_MS)), { passive: true });
  for (const end of ["touchend", "touchmove", "touchcancel"]) node.addEventListener(end, () => clearTimeout(timer), { passive: true });
}

function item(menu, { label, onChoose, danger = false }) {
  return element("button", { type: "button", textContent: label, className: danger ? "danger" : "", onclick: onChoose });
}

function place(menu, { left, right, top, bottom }) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const x = left + width < innerWidth ? left : right - width;
  const y = bottom + height < innerHeight ? bottom + 4 : top - height - 4;
  menu.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, y)}px`;
}
