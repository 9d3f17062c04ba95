/**
 * This browser's push subscription. A browser has one subscription for a page, for all its users: of two people in two tabs, the
 * one who switched it on last is notified. localStorage has that user, so that another user's tab doesn't take it over.
 */
const OWNER = "chat.push.owner";
const LEAVING_MS = 3000;

export class Push {
  #rest;
  #userId;
  #worker;

  /**
   * @param {object} parts
   * @param {import("/client/src/index.js").ChatClient["rest"]} parts.rest
   * @param {string} parts.userId
   * @param {ServiceWorkerRegistration} parts.worker
   */
  constructor({ rest, userId, worker }) {
    this.#rest = rest;
    this.#userId = userId;
    this.#worker = worker;
  }

  /** True when the user of this tab switched notifications on in this browser. */
  get isOn() {
    return localStorage.getItem(OWNER) === this.#userId;
  }

  /** @throws {Error} with a message for the user */
  async switchOn() {
    if ((await Notification.requestPermission()) !== "granted") throw new Error("the browser does not allow them here.");
    await this.#subscribe();
    localStorage.setItem(OWNER, this.#userId);
  }

  async switchOff() {
    localStorage.removeItem(OWNER);
    const subscription = await this.#worker.pushManager.getSubscription();
    if (!subscription) return;
    await this.#rest.unsubscribePush(subscription.endpoint).finally(() => subscription.unsubscribe());
  }

  /** Renews the subscription with the server's current key, and registers it. It does nothing while push is off. */
  async refresh() {
    if (this.isOn && Notification.permission === "granted") await this.#subscribe();
  }

  /** Ends it, so that the next person at this browser doesn't read the messages of this one. Takes 3 s at most. */
  async leave() {
    if (!this.isOn) return;
    const tooLong = new Promise((resolve) => setTimeout(resolve, LEAVING_MS));
    await Promise.race([this.switchOff().catch(() => {}), tooLong]);
  }

  async #subscribe() {
    const { publicKey } = await this.#rest.pushKey();
    const manager = this.#worker.pushManager;
    let subscription = await manager.getSubscription();
    if (subscription && keyOf(subscription) !== publicKey) {
      // The key was changed: a subscription is bound to one for life.
      const { endpoint } = subscription;
      await subscription.unsubscribe();
      await this.#rest.unsubscribePush(endpoint);
      subscription = null;
    }
    subscription ??= await manager.subscribe({ userVisibleOnly: true, applicationServerKey: publicKey });
    // The key goes along, so that the server knows with which of its keys this browser may be reached.
    await this.#rest.subscribePush({ ...subscription.toJSON(), applicationServerKey: publicKey });
  }
}

/** The VAPID key of a subscription, base64url without padding. */
function keyOf(subscription) {
  const bytes = new Uint8Array(subscription.options.applicationServerKey ?? []);
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}
