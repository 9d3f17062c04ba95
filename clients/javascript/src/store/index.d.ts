import type { ChatClient, ChatError, Conversation, Draft, Message, Presence, StateChange, Storage } from "../index.js";

export interface StoreOptions {
  /** Where the newest conversations and messages outlive the page, with the cursor to resume from. */
  storage?: Storage;
  /** "chat.cache" unless given: one for each user of a shared device. */
  storageKey?: string;
}

export interface ConversationList {
  /** Pinned ones first, then the newest; archived ones are left out. */
  readonly items: readonly Conversation[];
  readonly isLoaded: boolean;
  readonly hasMore: boolean;
  /** Of all conversations together. */
  readonly unread: number;
}

/** A message that is not acknowledged yet. */
export interface Pending {
  draft: Draft & { tempId: string };
  status: "sending" | "failed";
  error?: ChatError;
}

export interface MessageList {
  /** By seq, without holes. */
  readonly items: readonly Message[];
  /** Behind the last one. */
  readonly pending: readonly Pending[];
  readonly isLoaded: boolean;
  readonly isLoading: boolean;
  readonly hasOlder: boolean;
  readonly hasNewer: boolean;
}

/** What an application shows, as snapshots: the same object until something changes. */
export declare class ChatStore {
  constructor(client: Omit<ChatClient, "pending" | "drafts">, options?: StoreOptions);
  /** Reads what the last page kept, and resumes from there: before `client.connect()`. Says whether there was something. */
  load(): Promise<boolean>;
  /** Writes what is kept now, and not in a second. */
  save(): Promise<void>;
  /** Takes a conversation that the application read over REST. */
  putConversation(conversation: Conversation): void;
  /** Stops following the client; what is kept is written. */
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
  /** Jumps: forgets what is loaded, and loads the messages around one. */
  loadAround(conversationId: string, seq: number): Promise<void>;
  /** Sends a message, which is shown at once; gives its tempId. */
  send(draft: Draft): string;
  retry(pending: Pending): void;
  discard(pending: Pending): void;
  markRead(conversationId: string): void;
}
