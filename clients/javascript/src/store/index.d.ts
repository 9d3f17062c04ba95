import type { ChatClient, ChatError, Conversation, Draft, Message, Presence, StateChange, Storage } from "../index.js";

export interface StoreOptions {
  /** A storage for the newest conversations and messages, with the cursor to resume from. */
  storage?: Storage;
  /** "chat.cache" unless given: one for each user of a shared device. */
  storageKey?: string;
}

export interface ConversationList {
  /** Pinned ones first, then the newest; archived ones are left out. */
  readonly items: readonly Conversation[];
  readonly isLoaded: boolean;
  readonly hasMore: boolean;
  /** Unread messages of all conversations. */
  readonly unread: number;
}

/** A message that is not acknowledged yet. */
export interface Pending {
  draft: Draft & { tempId: string };
  status: "sending" | "failed";
  error?: ChatError;
}

export interface MessageList {
  /** Sorted by seq, without gaps. */
  readonly items: readonly Message[];
  /** Messages after the last one that are not stored yet. */
  readonly pending: readonly Pending[];
  readonly isLoaded: boolean;
  readonly isLoading: boolean;
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
}

/** The data that an application shows, as snapshots: the same object until something changes. */
export declare class ChatStore {
  constructor(client: Omit<ChatClient, "pending" | "drafts">, options?: StoreOptions);
  /** Loads what the last page stored, and resumes from there. Call it before `client.connect()`. Returns whether there was
   * anything. */
  load(): Promise<boolean>;
  /** Saves now, and not after a second. */
  save(): Promise<void>;
  /** Adds a conversation that the application read by REST. */
  putConversation(conversation: Conversation): void;
  /** Stops following the client, and saves. */
  close(): Promise<void>;
  /** Topics: `connection`, `conversations`, `messages:<id>`, `typing:<id>`, `presence:<userId>`. */
  subscribe(topic: string, listener: () => void): () => void;
  readonly connection: StateChange;
  readonly conversations: ConversationList;
  conversation(conversationId: string): Conversation | null;
  messages(conversationId: string): MessageList;
  typing(conversationId: string): readonly string[];
  presence(userId: string): Presence;
  loadMoreConversations(): Promise<void>;
  loadOlder(conversationId: string): Promise<void>;
  loadNewer(conversationId: string): Promise<void>;
  /** Jumps to a message: drops the loaded messages, and loads those around it. */
  loadAround(conversationId: string, seq: number): Promise<void>;
  /** Sends a message, which is shown at once. Returns its tempId. */
  send(draft: Draft): string;
  retry(pending: Pending): void;
  discard(pending: Pending): void;
  markRead(conversationId: string): void;
}
