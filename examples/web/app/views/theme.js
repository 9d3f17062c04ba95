/** Light or dark: as the system says, until the user says otherwise. */
import { byId } from "../dom.js";

const KEY = "chat.theme";

export function showTheme() {
  const root = document.documentElement;
  const apply = (theme) => theme && (root.dataset.theme = theme);
  apply(localStorage.getItem(KEY));
  byId("theme").onclick = () => {
    const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const next = now === "dark" ? "light" : "dark";
    localStorage.setItem(KEY, next);
    apply(next);
  };
}
