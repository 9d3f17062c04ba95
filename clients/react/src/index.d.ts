import type { ChatClient, ChatError, ClientOptions, Conversation, ConversationChanges, Draft, Media, Presence, StateChange } from "@chat-backend/client";
import type { TabClient } from "@chat-backend/client/tabs";
import type { ChatStore, ConversationList, MessageList, Pending } from "@chat-backend/client/store";
import type { ReactElement, ReactNode } from "react";

export interface ChatProviderProps extends ClientOptions {
  children?: ReactNode;
  /**
   * All tabs of the browser with the same `storageKey` share one connection; otherwise an eleventh tab closes the first one's.
   * Set it when you use a `storage`: tabs with separate connections would overwrite each other's unsent messages there.
   */
  shareTabs?: boolean;
}

/** Creates a client and its store, and connects while it is mounted. Options are read once: for another user, use another `key`.
 * */
export declare function ChatProvider(props: ChatProviderProps): ReactElement;

type More = Omit<Draft, "conversationId" | "content">;

export interface Chat {
  isConnected: boolean;
  /** For a banner: state, reason, and when the next attempt comes. */
  connection: StateChange;
  /** Sends a message, which `useMessages` shows at once. Returns its tempId. Throws ChatError when it can't be sent. */
  sendMessage(conversationId: string, content: string, more?: More): string;
  client: ChatClient | TabClient;
  store: ChatStore;
}

export declare function useChat(): Chat;

export interface UseConversations extends ConversationList {
  /** Why the next page could not be loaded. */
  error: ChatError | null;
  loadMore(): Promise<void>;
  /** The conversation with a user. It is created when there is none. */
  open(other: { username: string } | { userId: string }): Promise<Conversation>;
  update(id: string, changes: ConversationChanges): Promise<void>;
  /** Deletes the history, only for this user. */
  clear(id: string): Promise<void>;
}

export declare function useConversations(): UseConversations;

/** Null while it is unknown. */
export declare function useConversation(conversationId: string): Conversation | null;

export interface UseMessages extends MessageList {
  /** Why the last page could not be loaded; null again with the next connection. */
  error: ChatError | null;
  loadOlder(): Promise<void>;
  loadNewer(): Promise<void>;
  /** Shows the messages around one. */
  jumpTo(seq: number): Promise<void>;
  send(content: string, more?: More): string;
  retry(pending: Pending): void;
  discard(pending: Pending): void;
  edit(seq: number, content: string): Promise<unknown>;
  /** Deletes one of the user's messages for everybody. */
  remove(seq: number): Promise<unknown>;
  react(seq: number, emoji: string): Promise<unknown>;
  unreact(seq: number, emoji: string): Promise<unknown>;
  markRead(): void;
}

export declare function useMessages(conversationId: string): UseMessages;

/** How many messages are unread: in all conversations, or in one. */
export declare function useUnread(conversationId?: string): number;

export declare function usePresence(userId: string): Presence;

/** `onInput` goes to the input's event: call it as often as you like. */
export declare function useTyping(conversationId: string): { userIds: readonly string[]; onInput(): void };

export interface UseUpload {
  status: "idle" | "uploading" | "done" | "failed";
  /** 0 to 1. */
  progress: number;
  media: Media | null;
  error: unknown;
  /** Returns the item for `media` of a message. */
  upload(file: Blob): Promise<Media>;
  cancel(): void;
}

export declare function useUpload(conversationId: string): UseUpload;
