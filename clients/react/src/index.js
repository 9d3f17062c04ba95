/** React hooks for the client and its store. None of them suspends; on a server they render an empty state. */
import { ChatClient } from "@chat-backend/client";
import { ChatStore } from "@chat-backend/client/store";
import { sharedClient } from "@chat-backend/client/tabs";
import { createContext, createElement, useCallback, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";

const Context = createContext(null);
const NO_FAILURE = { conversationId: null, error: null };
const NOTHING = { status: "idle", progress: 0, media: null, error: null };

/**
 * Creates a client and its store, connects while it is mounted, and provides both to the hooks below it.
 *
 * The client's options are read once; for another user, use another `key`. With `shareTabs`, all tabs of the browser with the
 * same `storageKey` share one connection, and the unsent messages.
 */
export function ChatProvider({ children, storage, storageKey = "chat", shareTabs = false, ...options }) {
  const latest = useRef(options);
  latest.current = options;
  const [chat] = useState(() => {
    const getToken = (reason) => latest.current.getToken(reason);
    const whole = { ...options, getToken, storage, storageKey: `${storageKey}.outbox` };
    const client = shareTabs ? sharedClient({ ...whole, name: storageKey }) : new ChatClient(whole);
    return { client, store: new ChatStore(client, { storage, storageKey: `${storageKey}.cache` }), begun: null };
  });
  useEffect(() => {
    // Effects run twice in StrictMode. The stored state is read once, and connecting after a close works.
    let isMounted = true;
    chat.begun ??= chat.store.load();
    void chat.begun.finally(() => isMounted && chat.client.connect());
    const stopVisibility = followVisibility(chat.client);
    return () => {
      isMounted = false;
      stopVisibility();
      void chat.store.save();
      chat.client.close();
    };
  }, [chat]);
  return createElement(Context.Provider, { value: chat }, children);
}

/** Tells the server whether the page is visible, which decides about push notifications. */
function followVisibility(client) {
  const { document } = globalThis;
  if (!document?.addEventListener) return () => {};
  const tell = () => client.setActive(document.visibilityState === "visible");
  tell();
  document.addEventListener("visibilitychange", tell);
  return () => document.removeEventListener("visibilitychange", tell);
}

function useContextOf(hook) {
  const chat = useContext(Context);
  if (!chat) throw new Error(`${hook} must be used below <ChatProvider>`);
  return chat;
}

/** A snapshot of the store that is read again when its topic changes. */
function useTopic(store, topic, read) {
  const subscribe = useCallback((listener) => store.subscribe(topic, listener), [store, topic]);
  return useSyncExternalStore(subscribe, read, read);
}

/** The connection, and sending: `{ isConnected, connection, sendMessage, client, store }`. */
export function useChat() {
  const { client, store } = useContextOf("useChat");
  const connection = useTopic(store, "connection", () => store.connection);
  const sendMessage = useCallback((conversationId, content, more) => store.send({ conversationId, content, ...more }), [store]);
  return { isConnected: connection.state === "open", connection, sendMessage, client, store };
}

/** The list of conversations, pinned ones first, and its actions. */
export function useConversations() {
  const { client, store } = useContextOf("useConversations");
  const list = useTopic(store, "conversations", () => store.conversations);
  const [error, setError] = useState(null);
  const actions = useMemo(
    () => ({
      loadMore: () => store.loadMoreConversations().then(() => setError(null), setError),
      open: (other) => client.rest.openConversation(other).then((conversation) => (store.putConversation(conversation), conversation)),
      update: (id, changes) => client.rest.updateConversation(id, changes).then((conversation) => store.putConversation(conversation)),
      clear: (id) => client.rest.clearConversation(id).then(() => undefined),
    }),
    [client, store],
  );
  return { ...list, error, ...actions };
}

/** One conversation, null while it is unknown. */
export function useConversation(conversationId) {
  const { store } = useContextOf("useConversation");
  return useTopic(store, "conversations", () => store.conversation(conversationId));
}

/**
 * The messages of a conversation, loaded when it is shown: `items` without gaps, `pending` after them, paging in both directions,
 * and the actions on a message.
 */
export function useMessages(conversationId) {
  const { client, store } = useContextOf("useMessages");
  const list = useTopic(store, `messages:${conversationId}`, () => store.messages(conversationId));
  const isConnected = useTopic(store, "connection", () => store.connection.state === "open");
  const [failure, setFailure] = useState(NO_FAILURE);
  // What failed in another conversation, or before this connection, says nothing about this page.
  const error = failure.conversationId === conversationId ? failure.error : null;
  const load = useCallback((work) => work.then(() => setFailure(NO_FAILURE), (cause) => setFailure({ conversationId, error: cause })), [conversationId]);
  useEffect(() => {
    if (isConnected) setFailure(NO_FAILURE);
  }, [isConnected]);
  const { isLoaded, isLoading, hasOlder } = list;
  useEffect(() => {
    if (!isLoaded && !isLoading && hasOlder && !error) void load(store.loadOlder(conversationId));
  }, [store, conversationId, isLoaded, isLoading, hasOlder, error, load]);
  const actions = useMemo(
    () => ({
      loadOlder: () => load(store.loadOlder(conversationId)),
      loadNewer: () => load(store.loadNewer(conversationId)),
      jumpTo: (seq) => load(store.loadAround(conversationId, seq)),
      send: (content, more) => store.send({ conversationId, content, ...more }),
      retry: (pending) => store.retry(pending),
      discard: (pending) => store.discard(pending),
      edit: (seq, content) => client.edit(conversationId, seq, content),
      remove: (seq) => client.deleteMessage(conversationId, seq),
      react: (seq, emoji) => client.addReaction(conversationId, seq, emoji),
      unreact: (seq, emoji) => client.removeReaction(conversationId, seq, emoji),
      markRead: () => store.markRead(conversationId),
    }),
    [client, store, conversationId, load],
  );
  return { ...list, error, ...actions };
}

/** How many messages are unread: in all conversations, or in one. */
export function useUnread(conversationId) {
  const { store } = useContextOf("useUnread");
  const read = () => (conversationId === undefined ? store.conversations.unread : (store.conversation(conversationId)?.unread ?? 0));
  return useTopic(store, "conversations", read);
}

/** The last known status of a friend. */
export function usePresence(userId) {
  const { store } = useContextOf("usePresence");
  return useTopic(store, `presence:${userId}`, () => store.presence(userId));
}

/** Who types in a conversation, and `onInput` to call on every input event. */
export function useTyping(conversationId) {
  const { client, store } = useContextOf("useTyping");
  const userIds = useTopic(store, `typing:${conversationId}`, () => store.typing(conversationId));
  const onInput = useCallback(() => client.typing(conversationId), [client, conversationId]);
  useEffect(() => () => client.stopTyping(conversationId), [client, conversationId]);
  return { userIds, onInput };
}

/** Uploads a file to a conversation: `upload(file)` returns the `media` item to send; `cancel()` stops it. */
export function useUpload(conversationId) {
  const { client } = useContextOf("useUpload");
  const [state, setState] = useState(NOTHING);
  const running = useRef(null);
  const cancel = useCallback(() => running.current?.abort(), []);
  useEffect(() => cancel, [cancel, conversationId]);
  const upload = useCallback(
    async (file) => {
      running.current?.abort();
      const controller = (running.current = new AbortController());
      const say = (change) => running.current === controller && setState((known) => ({ ...known, ...change }));
      setState({ ...NOTHING, status: "uploading" });
      try {
        const media = await client.upload(file, { conversationId, signal: controller.signal, onProgress: ({ sent, total }) => say({ progress: total ? sent / total : 1 }) });
        say({ status: "done", progress: 1, media });
        return media;
      } catch (error) {
        say({ status: controller.signal.aborted ? "idle" : "failed", error });
        throw error;
      }
    },
    [client, conversationId],
  );
  return { ...state, upload, cancel };
}
