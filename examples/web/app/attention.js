/** Tells the server whether somebody looks at this page: while nobody does, the user gets push notifications. */

/** @param {import("/client/src/index.js").ChatClient} client */
export function followAttention(client) {
  const report = () => client.setActive(document.visibilityState === "visible" && document.hasFocus());
  document.addEventListener("visibilitychange", report);
  for (const event of ["focus", "blur"]) window.addEventListener(event, report);
  report();
}
