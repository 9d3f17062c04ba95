/** Small tools for the DOM. Text only ever goes in as text: nothing here parses HTML. */

export const byId = (id) => document.getElementById(id);

/**
 * A new element. `properties` are set on it (`className`, `textContent`, `onclick` …), `children` appended.
 */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter(Boolean));
  return node;
}

/** An icon of the sprite sheet in index.html. With a `label` it is read out, without it is decoration. */
export function icon(name, label = "") {
  const SVG = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  svg.setAttribute("class", `icon-${name}`);
  if (label) svg.setAttribute("aria-label", label);
  svg.setAttribute(label ? "role" : "aria-hidden", label ? "img" : "true");
  return svg;
}

/**
 * Makes `parent` show `items` in order, keeping the nodes of those that it shows already, and with them focus and
 * selection. `create(item)` gives a node, `update(node, item)` fills it.
 */
export function reconcile(parent, items, { key, create, update }) {
  const old = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let next = parent.firstElementChild;
  for (const item of items) {
    const id = String(key(item));
    const node = old.get(id) ?? create(item);
    node.dataset.key = id;
    old.delete(id);
    update(node, item);
    if (node === next) next = next.nextElementSibling;
    else parent.insertBefore(node, next);
  }
  for (const node of old.values()) node.remove();
}

/** Sets the text of a node, touching it only when it changes, so that screen readers are not woken for nothing. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
