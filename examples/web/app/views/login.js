/** The first screen: a name is all it takes. */
import { byId } from "../dom.js";

/**
 * @param {string} problem why the last try failed, or ""
 * @returns {Promise<string>} the name that was chosen
 */
export function askName(problem) {
  const screen = byId("login");
  const form = screen.querySelector("form");
  screen.hidden = false;
  screen.querySelector(".problem").textContent = problem;
  byId("login-name").focus();
  return new Promise((resolve) => {
    const choose = (name) => {
      if (!name.trim()) return;
      screen.hidden = true;
      resolve(name.trim());
    };
    form.onsubmit = (event) => {
      event.preventDefault();
      choose(byId("login-name").value);
    };
    for (const button of form.querySelectorAll(".quick button")) button.onclick = () => choose(button.value);
  });
}
