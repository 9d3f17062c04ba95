/** Short notices that go by themselves. */
import { byId, element } from "../dom.js";

const SHOWN_MS = 5_000;

export function say(text) {
  const toast = element("p", { className: "toast", textContent: text });
  byId("toasts").append(toast);
  setTimeout(() => toast.remove(), SHOWN_MS);
}
