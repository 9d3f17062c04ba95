/** The service worker of `examples/web`, with the browser's part played by this file: what no headless browser shows. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import vm from "node:vm";

const source = await readFile(process.env.SERVICE_WORKER, "utf8");

/** A running worker. `happened`: what it asked of the browser, in order. */
function start({ tabs = 0, navigator = {}, subscribe = async () => ({}) } = {}) {
  const listeners = {};
  const happened = [];
  const pages = Array.from({ length: tabs }, () => ({
    postMessage: (message) => happened.push(["tell", message]),
    focus: async () => happened.push(["focus"]),
  }));
  const self = {
    addEventListener: (type, listener) => (listeners[type] = listener),
    navigator,
    clients: { matchAll: async () => pages, openWindow: async (url) => happened.push(["open", url]) },
    registration: {
      showNotification: async (title, options) => happened.push(["show", title, options]),
      pushManager: {
        subscribe: async (options) => {
          happened.push(["subscribe", options]);
          return subscribe();
        },
      },
    },
  };
  vm.runInNewContext(source, { self, encodeURIComponent });
  /** Dispatches an event, and waits for what it asked the browser to wait for. */
  const dispatch = async (type, event) => {
    const waits = [];
    listeners[type]({ ...event, waitUntil: (work) => waits.push(work) });
    await Promise.all(waits);
    // What comes out of the worker's own realm is compared by what it holds.
    return JSON.parse(JSON.stringify(happened));
  };
  return { dispatch };
}

const pushed = (data) => ({ data: { json: () => ({ title: "New message from ann", body: "Hi", tag: "chat-message", data }) } });
const KEY = "the key";
const ended = { oldSubscription: { options: { applicationServerKey: KEY } }, newSubscription: null };
const again = ["subscribe", { userVisibleOnly: true, applicationServerKey: KEY }];
const told = ["tell", { subscriptionChanged: true }];

test("a push sets the badge to all that is unread", async () => {
  const badges = [];
  const { dispatch } = start({ navigator: { setAppBadge: async (total) => badges.push(total) } });
  const [[, title, options]] = await dispatch("push", pushed({ conversationId: "c1", unread: { conversation: 2, total: 7 } }));
  assert.deepEqual(badges, [7]);
  assert.equal(title, "New message from ann");
  assert.deepEqual([options.tag, options.renotify], ["conversation-c1", true]);
});

test("a push is shown where there is no badge, or where it is refused", async () => {
  const refusing = { setAppBadge: () => Promise.reject(new Error("not installed")) };
  for (const navigator of [{}, refusing]) {
    const happened = await start({ navigator }).dispatch("push", pushed({ conversationId: "c1", unread: { total: 7 } }));
    assert.deepEqual(happened.map(([what]) => what), ["show"]);
  }
});

test("a push that nobody can read is shown, too", async () => {
  const unreadable = { data: { json: () => JSON.parse("{") } };
  assert.deepEqual((await start().dispatch("push", unreadable))[0].slice(0, 2), ["show", "New message"]);
});

test("a subscription that ended is made again with its key, and every page hears of it", async () => {
  const { dispatch } = start({ tabs: 2 });
  assert.deepEqual(await dispatch("pushsubscriptionchange", ended), [again, told, told]);
});

test("a subscription that the browser made itself is not made twice", async () => {
  const { dispatch } = start({ tabs: 1 });
  assert.deepEqual(await dispatch("pushsubscriptionchange", { ...ended, newSubscription: {} }), [told]);
});

test("a browser that names no subscription leaves it to the pages", async () => {
  assert.deepEqual(await start({ tabs: 1 }).dispatch("pushsubscriptionchange", {}), [told]);
});

test("pages hear of an end that can't be mended here", async () => {
  const { dispatch } = start({ tabs: 1, subscribe: () => Promise.reject(new Error("no permission")) });
  assert.deepEqual(await dispatch("pushsubscriptionchange", ended), [again, told]);
});

test("a click closes the notification, and shows the conversation in a tab or a new window", async () => {
  for (const [tabs, expected] of [
    [1, [["focus"], ["tell", { conversationId: "c 1" }]]],
    [0, [["open", "./?conversation=c%201"]]],
  ]) {
    let closed = false;
    const notification = { close: () => (closed = true), data: { conversationId: "c 1" } };
    assert.deepEqual(await start({ tabs }).dispatch("notificationclick", { notification }), expected);
    assert.ok(closed);
  }
});
