/** Service worker: one notification for each conversation, the badge, and a click that opens the conversation. */

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(notify(event.data)));
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(subscribeAgain(event)));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(show(event.notification.data?.conversationId));
});

/**
 * Shows a push. A newer message of a conversation replaces the older notification, and alerts again. Every push must show
 * something, because browsers end subscriptions whose pushes show nothing.
 */
async function notify(message) {
  const { title, data = {}, ...options } = parse(message);
  const tag = data.conversationId ? `conversation-${data.conversationId}` : "chat";
  await self.registration.showNotification(title, { ...options, data, tag, renotify: true });
  const total = data.unread?.total;
  if (total && "setAppBadge" in self.navigator) await self.navigator.setAppBadge(total).catch(() => {});
}

function parse(message) {
  try {
    return message.json();
  } catch {
    return { title: "New message" };
  }
}

/** The browser ended a subscription. Pages register the new one, because only they have a token. */
async function subscribeAgain({ oldSubscription, newSubscription }) {
  const key = oldSubscription?.options.applicationServerKey;
  if (!newSubscription && key) {
    await self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }).catch(() => {});
  }
  for (const page of await pages()) page.postMessage({ subscriptionChanged: true });
}

/** Brings a tab of this page to the front, or opens one. */
async function show(conversationId) {
  const [tab] = await pages();
  if (!tab) return self.clients.openWindow(`./?conversation=${encodeURIComponent(conversationId ?? "")}`);
  await tab.focus();
  tab.postMessage({ conversationId });
}

function pages() {
  return self.clients.matchAll({ type: "window", includeUncontrolled: true });
}
