/** The bell, the notifications on screen, and the badge of an installed page. */
import { byId } from "../dom.js";
import { Push } from "../push.js";

/**
 * @returns {Promise<Push | null>} null where the browser has no push
 */
export async function showNotifications({ client, model, say, onOpen }) {
  const bell = byId("notifications");
  const supported = "serviceWorker" in navigator && "PushManager" in window;
  bell.hidden = !supported;
  if (!supported) return null;
  const worker = await navigator.serviceWorker.register("sw.js", { scope: "./" });
  const push = new Push({ rest: client.rest, userId: model.me.userId, worker });
  const draw = () => bell.setAttribute("aria-pressed", String(push.isOn));
  const attempt = (work) => work.catch((error) => say(`Notifications: ${error.message}`)).finally(draw);

  navigator.serviceWorker.addEventListener("message", ({ data }) => {
    if (data.subscriptionChanged) void attempt(push.refresh());
    else onOpen(data.conversationId);
  });
  bell.onclick = async () => {
    bell.disabled = true;
    await attempt(push.isOn ? push.switchOff() : push.switchOn());
    bell.disabled = false;
  };
  // Read here or on another device: the notification has done its work.
  client.on("message.read_ack", ({ conversationId }) => void close(worker, conversationId));
  model.onChange(() => showBadge(model.unreadTotal));
  draw();
  await attempt(push.refresh());
  return push;
}

async function close(worker, conversationId) {
  for (const notification of await worker.getNotifications()) {
    if (notification.data?.conversationId === conversationId) notification.close();
  }
}

function showBadge(total) {
  if ("setAppBadge" in navigator) void navigator.setAppBadge(total).catch(() => {});
}
