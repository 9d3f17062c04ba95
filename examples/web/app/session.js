/**
 * Session — the user of this tab. The name lives in sessionStorage, so that two tabs can be two people; `?user=alice` in the
 * address comes first. The login is the development server's: a real front end would ask its own back end for a token.
 */
const NAME = "chat.username";

/** The name that this tab has already, or null. */
export function knownName() {
  return new URLSearchParams(location.search).get("user")?.trim() || sessionStorage.getItem(NAME);
}

export function remember(username) {
  sessionStorage.setItem(NAME, username);
}

let lastWork = async () => {};

/** Registers work to do before the user leaves, while there is still a token. */
export function beforeLeaving(work) {
  lastWork = work;
}

/** Deletes the name, and shows the first screen again. */
export async function leave() {
  await lastWork();
  sessionStorage.clear();
  location.assign(location.pathname);
}

/**
 * Logs in.
 *
 * @returns {Promise<{ token: string, userId: string, username: string }>}
 * @throws {Error} with a message for the user
 */
export async function login(username) {
  const answer = await fetch("/dev/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username }),
  }).catch(() => null);
  if (!answer) throw new Error("The server can't be reached.");
  const body = await answer.json().catch(() => ({}));
  if (answer.status === 404) throw new Error("This server has no development login (CHAT_DEV_LOGIN=1).");
  if (answer.status === 422) throw new Error("A name is one word of at most 64 characters.");
  if (!answer.ok) throw new Error(body.error?.message ?? `The login failed (${answer.status}).`);
  return body;
}
