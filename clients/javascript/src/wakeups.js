/**
 * Calls `onWake` when a browser says that the network is back or that the page is looked at again.
 *
 * @param {() => void} onWake
 * @returns {() => void} stops listening
 */
export function onWakeups(onWake) {
  const { window, document } = globalThis;
  if (!window || !document) return () => {};
  const onVisible = () => document.visibilityState === "visible" && onWake();
  window.addEventListener("online", onWake);
  document.addEventListener("visibilitychange", onVisible);
  return () => {
    window.removeEventListener("online", onWake);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
