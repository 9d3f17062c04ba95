/** Attachments. Their addresses come from other users: only https ones become links, and nothing is loaded unasked. */
import { element } from "../dom.js";
import { summary } from "../words.js";

/** @param {{ url: string, type: string, name?: string }[]} media */
export function mediaLinks(media) {
  return media
    .filter(({ url }) => URL.canParse(url) && new URL(url).protocol === "https:")
    .map(({ url, type, name }) => {
      const textContent = name || summary({ type });
      return element("a", { href: url, textContent, target: "_blank", rel: "noopener noreferrer" });
    });
}
