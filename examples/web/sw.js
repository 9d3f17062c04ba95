/** Service worker: shows web push notifications, and opens the conversation that one is about. */

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

self.addEventListener("push", (event) => {
  const { title, ...options } = event.data?.json() ?? { title: "New message" };
  event.waitUntil(self.registration.showNotification(title, options));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data?.conversationId));
});

/** Brings a tab of this page to the front, or opens one. */
async function show(conversationId) {
  const [tab] = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (!tab) return self.clients.openWindow(`./?conversation=${encodeURIComponent(conversationId ?? "")}`);
  await tab.focus();
  tab.postMessage({ conversationId });
}
