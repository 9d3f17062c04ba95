/**
 * Calls `onWake` when the browser reports a change of the network, or that the page is visible again.
 *
 * @param {() => void} onWake
 * @returns {() => void} stops listening
 */
export function onWakeups(onWake) {
  const { window, document } = globalThis;
  if (!window?.addEventListener || !document?.addEventListener) return () => {};
  const onVisible = () => document.visibilityState === "visible" && onWake();
  window.addEventListener("online", onWake);
  window.addEventListener("offline", onWake);
  document.addEventListener("visibilitychange", onVisible);
  return () => {
    window.removeEventListener("online", onWake);
    window.removeEventListener("offline", onWake);
    document.removeEventListener("visibilitychange", onVisible);
  };
}
