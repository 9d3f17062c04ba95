/** Tells the server whether this page is visible. While it isn't, the user gets push notifications. */

/** @param {import("/client/src/index.js").ChatClient} client */
export function followAttention(client) {
  const report = () => client.setActive(document.visibilityState === "visible" && document.hasFocus());
  document.addEventListener("visibilitychange", report);
  for (const event of ["focus", "blur"]) window.addEventListener(event, report);
  report();
}
