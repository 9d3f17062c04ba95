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
  menu.replaceChildren(...entries.map((entry) => (entry instanceof HTMLElement ? entry : item(entry))));
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
    void open();
  };
  node.ontouchstart = () => (timer = setTimeout(open, LONG_PRESS_MS));
  node.ontouchend = node.ontouchmove = node.ontouchcancel = () => clearTimeout(timer);
}

function item({ label, onChoose, danger = false }) {
  return element("button", { type: "button", textContent: label, className: danger ? "danger" : "", onclick: onChoose });
}

function place(menu, { left, right, top, bottom }) {
  const { offsetWidth: width, offsetHeight: height } = menu;
  const x = left + width < innerWidth ? left : right - width;
  const y = bottom + height < innerHeight ? bottom + 4 : top - height - 4;
  menu.style.left = `${Math.max(8, Math.min(x, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, y)}px`;
}
