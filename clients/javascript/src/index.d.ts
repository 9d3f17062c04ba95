import type {
  Block,
  ClientOptions,
  ConnectionState,
  Conversation,
  ConversationPage,
  ConversationQuery,
  Draft,
  EventMeta,
  EventPayloads,
  Follow,
  Friend,
  LostRange,
  Message,
  Presence,
  StateChange,
  Unread,
  UploadedMedia,
  UploadOptions,
  UploadReservation,
  User,
} from "./types.js";

export type * from "./types.js";

/** Payloads of the events that `on` takes: those of the protocol, and the client's own. */
export interface EventMap extends Omit<EventPayloads, "message.new" | "message.sent"> {
  /** The connection's state, for a banner. */
  state: StateChange;
  /** A message to this user. `unread` is missing when it was read over REST. */
  "message.new": { message: Message; unread?: Unread };
  /**
   * A message of this user was stored, sent here or on another device. `tempId` is null when it was read over REST, so
   * match your own by the promise of `send`.
   */
  "message.sent": { tempId: string | null; message: Message };
  /** A message of this client will not be sent: refused for good, discarded, or the client was closed. */
  "message.failed": { draft: Draft & { tempId: string }; error: ChatError };
  /** One friend's status changed; sums up status.bulk, user.online, user.offline and user.status. */
  presence: Presence;
  /**
   * After each connect that was not resumed, the first one included: take the list, receipts and counts from here.
   * Missed messages of known conversations have been emitted before. It holds what changed since the last time, and at least
   * a page; `rest.conversationPage({ page: nextPage })` gives more.
   */
  synced: { conversations: Conversation[]; nextPage: string | null };
  /** Messages that could not be read; newer ones go on. */
  lost: LostRange;
  /** An error frame of the server. */
  error: ChatError;
}

export declare class ChatError extends Error {
  constructor(code: string, message: string, details?: { retryable?: boolean; retryAfter?: number; status?: number });
  /** One of the protocol's codes, or: network, timeout, outbox_full, discarded, closed. */
  readonly code: string;
  readonly retryable: boolean;
  /** Seconds. */
  readonly retryAfter?: number;
  /** Of the HTTP answer, for REST calls. */
  readonly status?: number;
}

export declare class Rest {
  private constructor();
  openConversation(other: { username: string } | { userId: string }): Promise<Conversation>;
  /** One page, pinned ones first, then the newest. */
  conversationPage(options?: ConversationQuery): Promise<ConversationPage>;
  /** All, read page by page as they are needed. */
  eachConversation(options?: ConversationQuery): AsyncGenerator<Conversation, void, void>;
  /** All, in one list. */
  conversations(): Promise<Conversation[]>;
  conversation(id: string): Promise<Conversation>;
  messages(conversationId: string, range?: { afterSeq?: number; beforeSeq?: number; limit?: number }): Promise<Message[]>;
  unread(): Promise<{ total: number; conversations: Record<string, number> }>;
  blocks(): Promise<Block[]>;
  me(): Promise<User>;
  updateMe(changes: { displayName?: string; avatar?: string | null }): Promise<User>;
  follow(username: string): Promise<Follow>;
  unfollow(username: string): Promise<Follow>;
  friends(): Promise<Friend[]>;
  presence(userIds: string[]): Promise<Presence[]>;
  pushKey(): Promise<{ publicKey: string }>;
  subscribePush(subscription: object): Promise<null>;
  unsubscribePush(endpoint: string): Promise<null>;
  reserveUpload(file: { conversationId: string; name: string; mimeType: string; size: number }): Promise<UploadReservation>;
  completeUpload(uploadId: string): Promise<{ media: UploadedMedia }>;
  /** With fresh URLs. */
  getUpload(uploadId: string): Promise<{ media: UploadedMedia }>;
}

export declare class ChatClient {
  constructor(options: ClientOptions);
  readonly rest: Rest;
  readonly presence: { get(userId: string): Presence };
  /** Null before the first connection. */
  readonly userId: string | null;
  readonly state: ConnectionState;
  /** Messages not acknowledged yet. */
  readonly pending: number;

  /** @returns a function that takes the listener off again */
  on<T extends keyof EventMap>(type: T, listener: (payload: EventMap[T], meta: EventMeta) => void): () => void;
  /** Throws TypeError where there is no WebSocket. */
  connect(): void;
  /** The network may have changed, or the app is looked at again: connects at once, or makes sure that the connection works. */
  wake(): void;
  close(): void;

  /** `sent` gives the stored message, however it became known. Throws ChatError: validation_error, outbox_full, duplicate_temp_id. */
  send(draft: Draft): { tempId: string; sent: Promise<Message> };
  discard(tempId: string): boolean;
  /**
   * Brings a File, Blob or bytes to the server, for the `media` of a message in the same conversation; tries again when the network
   * fails. Rejects with ChatError: the server's reason, `network`, or `aborted`.
   */
  upload(file: Blob | ArrayBuffer | Uint8Array, options: UploadOptions): Promise<UploadedMedia>;
  track(conversationId: string, seq: number): void;
  markRead(conversationId: string, seq: number): void;
  markDelivered(conversationId: string, seq: number): void;
  typing(conversationId: string): void;
  stopTyping(conversationId: string): void;
  setStatus(status: "online" | "away" | "busy"): void;
  block(username: string): Promise<Block>;
  unblock(username: string): Promise<{ username: string; unblockedAt: string }>;
}

/** A new idempotency key, for applications that keep drafts before they send them. */
export declare function newTempId(): string;

export declare const CLOSE: Readonly<Record<string, number>>;
export declare const COMMAND: Readonly<Record<string, string>>;
export declare const EVENT: Readonly<Record<string, string>>;
