/**
 * The bell: notifications for messages that come while no tab is open. A browser has one push subscription for a
 * page, whoever uses it: of two people in two tabs, the one who switched it on last is notified.
 */
import { byId } from "../dom.js";

export async function showNotifications({ client, say, onOpen }) {
  const bell = byId("notifications");
  const supported = "serviceWorker" in navigator && "PushManager" in window;
  bell.hidden = !supported;
  if (!supported) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => onOpen(data.conversationId));
  const worker = await navigator.serviceWorker.register("sw.js", { scope: "./" });
  const draw = (subscription) => bell.setAttribute("aria-pressed", String(Boolean(subscription)));
  draw(await worker.pushManager.getSubscription());

  bell.onclick = async () => {
    bell.disabled = true;
    try {
      const subscription = await worker.pushManager.getSubscription();
      draw(subscription ? await switchOff(client, subscription) : await switchOn(client, worker));
    } catch (error) {
      say(`Notifications: ${error.message}`);
    }
    bell.disabled = false;
  };
}

async function switchOn(client, worker) {
  if ((await Notification.requestPermission()) !== "granted") throw new Error("the browser does not allow them here.");
  const { publicKey } = await client.rest.pushKey();
  const subscription = await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
  // The key goes along, so that the server knows with which of its keys this browser may be reached.
  await client.rest.subscribePush({ ...subscription.toJSON(), applicationServerKey: publicKey });
  return subscription;
}

async function switchOff(client, subscription) {
  await client.rest.unsubscribePush(subscription.endpoint);
  await subscription.unsubscribe();
  return null;
}
