/**
 * Attachments of a message. Uploads are shown, because the server has checked them. Their size is known before they are loaded,
 * so nothing moves; meanwhile their blurred colours are shown. External URLs come from other users: only https ones become links,
 * and they aren't loaded automatically.
 */
import { decode } from "../blurhash.js";
import { byId, element, icon } from "../dom.js";
import { duration, fileSize, summary } from "../words.js";

// As large as a picture or video is shown at most.
const BOX = 320;
// Pixels on each side of what is drawn of a blurhash; the browser stretches it.
const BLUR = 32;

/** Draws attachments into `node`, unless it shows them already: a sound that plays goes on. */
export function drawMedia(node, media) {
  const key = media.map(({ uploadId, url }) => uploadId ?? url).join(" ");
  if (node.dataset.media === key) return;
  node.dataset.media = key;
  node.replaceChildren(...media.map((item) => (item.uploadId ? uploaded(item) : link(item))).filter(Boolean));
}

function uploaded(item) {
  if (item.type === "image") return picture(item);
  if (item.type === "video") return video(item);
  return item.type === "audio" ? sound(item) : card(item);
}

function picture(item) {
  const size = fit(item);
  const image = element("img", { src: item.thumbnail, alt: item.name, loading: "lazy", ...size });
  image.style.backgroundImage = blurred(item.blurhash);
  // What is transparent in the picture must not show it.
  image.onload = () => (image.style.backgroundImage = "");
  return element("button", { type: "button", className: "picture", title: item.name, onclick: () => openViewer(item) }, image);
}

function video(item) {
  const player = element("video", { src: item.url, controls: true, preload: "none", title: item.name, ...fit(item) });
  if (item.thumbnail) player.poster = item.thumbnail;
  player.style.backgroundImage = blurred(item.blurhash);
  return player;
}

function sound(item) {
  const player = element("audio", { src: item.url, controls: true, preload: "none", title: item.name });
  const text = [item.name, item.durationMs && duration(item.durationMs)].filter(Boolean).join(", ");
  return element("span", { className: "sound" }, player, element("span", { className: "file-name", textContent: text }));
}

function card({ url, name, size }) {
  const text = element("span", {}, element("span", { className: "file-name", textContent: name }), ` ${fileSize(size)}`);
  return element("a", { className: "file-card", href: url, download: name, rel: "noopener noreferrer" }, icon("file"), text);
}

function link({ url, type, name }) {
  if (!URL.canParse(url) || new URL(url).protocol !== "https:") return null;
  const textContent = name || summary({ type });
  return element("a", { href: url, textContent, target: "_blank", rel: "noopener noreferrer" });
}

/** The size on screen: reserved before anything is loaded. */
function fit({ width = BOX, height = BOX }) {
  const scale = Math.min(1, BOX / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}

/** A blurhash as a CSS image; empty when there is none. */
function blurred(hash) {
  const pixels = decode(hash ?? "", BLUR);
  if (!pixels) return "";
  const canvas = element("canvas", { width: BLUR, height: BLUR });
  canvas.getContext("2d").putImageData(new ImageData(pixels, BLUR), 0, 0);
  return `url(${canvas.toDataURL()})`;
}

/** The whole picture over the page; Escape or a click closes it. */
function openViewer({ url, name, width, height }) {
  const viewer = byId("viewer");
  const image = element("img", { src: url, alt: name, width, height });
  const save = element("a", { href: url, download: name, textContent: `Save ${name}`, rel: "noopener noreferrer" });
  viewer.replaceChildren(image, save);
  viewer.onclick = ({ target }) => target !== save && viewer.close();
  viewer.showModal();
}
