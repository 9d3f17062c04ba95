import type {
  Block,
  BlobLike,
  BlockAddedPayload,
  BlockRemovedPayload,
  ClientOptions,
  ConnectionState,
  Conversation,
  ConversationChanges,
  ConversationPage,
  ConversationQuery,
  Draft,
  EventMeta,
  EventPayloads,
  Follow,
  Friend,
  LostRange,
  Message,
  MessageDeletedPayload,
  MessageRange,
  MessageUpdatedPayload,
  Presence,
  PushDevice,
  PushSettings,
  ReactionUpdatedPayload,
  Settings,
  Storage,
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
  /** The connection's state, for example for a banner. */
  state: StateChange;
  /** A message to this user. `unread` is missing when it was read by REST. */
  "message.new": { message: Message; unread?: Unread };
  /**
   * A message of this user was stored; it was sent here or on another device. `tempId` is null when it was read by REST, so match
   * your own by the promise of `send`.
   */
  "message.sent": { tempId: string | null; message: Message };
  /** A message of this client will not be sent: it was refused permanently or discarded, or the client was closed. */
  "message.failed": { draft: Draft & { tempId: string }; error: ChatError };
  /** One friend's status changed; emitted for status.bulk, user.online, user.offline and user.status. */
  presence: Presence;
  /**
   * After each connect that was not resumed, including the first: update the list, receipts and counts from it. Missed messages
   * of known conversations have been emitted before. It has the conversations that changed since the last time, at least one
   * page; `rest.conversationPage({ page: nextPage })` returns more. `archived`: those of the archived ones, when conversations
   * are known here.
   */
  synced: { conversations: Conversation[]; nextPage: string | null; archived?: Conversation[] };
  /** Messages that could not be read. Newer ones follow nevertheless. */
  lost: LostRange;
  /** An error frame of the server. */
  error: ChatError;
}

export declare class ChatError extends Error {
  constructor(code: string, message: string, details?: { retryable?: boolean; retryAfter?: number; status?: number });
  /** One of the protocol's codes, or: network, timeout, outbox_full, discarded, closed, aborted, upload_failed. */
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
  messages(conversationId: string, range?: MessageRange): Promise<Message[]>;
  updateConversation(id: string, changes: ConversationChanges): Promise<Conversation>;
  /** Deletes the history, only for this user. */
  clearConversation(id: string): Promise<null>;
  report(report: { conversationId: string; seqs: number[]; reason: string; comment?: string }): Promise<unknown>;
  findUsers(name: { username: string } | { prefix: string }): Promise<User[]>;
  settings(): Promise<Settings>;
  updateSettings(changes: { push: Partial<PushSettings> }): Promise<Settings>;
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
  reserveUpload(file: { conversationId: string; name: string; mimeType: string; size: number }): Promise<UploadReservation>;
  completeUpload(uploadId: string): Promise<{ media: UploadedMedia }>;
  /** An upload with newly signed URLs. */
  getUpload(uploadId: string): Promise<{ media: UploadedMedia }>;
  /** Without an endpoint, all of the user's subscriptions. */
  unsubscribePush(endpoint?: string): Promise<null>;
  addPushDevice(device: PushDevice): Promise<null>;
  removePushDevice(device: PushDevice): Promise<null>;
}

export declare class ChatClient {
  constructor(options: ClientOptions);
  readonly rest: Rest;
  readonly presence: { get(userId: string): Presence };
  /** Null before the first connection. */
  readonly userId: string | null;
  readonly state: ConnectionState;
  /** The cursor up to which all events have been emitted; null at first. */
  readonly cursor: string | null;
  /** The features of the deployment, known while connected. */
  readonly features: readonly string[];
  /** Messages not acknowledged yet. */
  readonly pending: number;
  /** The same messages, in order. Once the client is connected, they include those of an earlier process. */
  readonly drafts: readonly (Draft & { tempId: string })[];

  /** @returns a function that takes the listener off again */
  on<T extends keyof EventMap>(type: T, listener: (payload: EventMap[T], meta: EventMeta) => void): () => void;
  /** Continues where an earlier client of the user was; call it before the first `connect`. `seen`: conversation → last seq that
   * the app has. */
  resumeFrom(cursor: string, userId: string, seen: Map<string, number>): void;
  /** Throws TypeError when there is no WebSocket. */
  connect(): void;
  /** Call it when the network may have changed, or the app is visible again: reconnects at once, or checks the connection. */
  wake(): void;
  close(): void;

  /** `sent` resolves to the stored message. Throws ChatError: validation_error, outbox_full, duplicate_temp_id. */
  send(draft: Draft): { tempId: string; sent: Promise<Message> };
  discard(tempId: string): boolean;
  /**
   * Uploads a File, Blob or bytes for the `media` of a message in the same conversation; retries when the network fails. Rejects
   * with ChatError: the server's reason, `network`, or `aborted`.
   */
  upload(file: BlobLike | ArrayBuffer | Uint8Array, options: UploadOptions): Promise<UploadedMedia>;
  track(conversationId: string, seq: number): void;
  markRead(conversationId: string, seq: number): void;
  markDelivered(conversationId: string, seq: number): void;
  typing(conversationId: string): void;
  stopTyping(conversationId: string): void;
  setStatus(status: "online" | "away" | "busy"): void;
  block(username: string): Promise<BlockAddedPayload>;
  unblock(username: string): Promise<BlockRemovedPayload>;
  /** Changes the text of one of the user's messages, or the caption of its media. */
  edit(conversationId: string, seq: number, content: string): Promise<MessageUpdatedPayload>;
  /** Deletes one of the user's messages for everybody. */
  deleteMessage(conversationId: string, seq: number): Promise<MessageDeletedPayload>;
  addReaction(conversationId: string, seq: number, emoji: string): Promise<ReactionUpdatedPayload>;
  removeReaction(conversationId: string, seq: number, emoji: string): Promise<ReactionUpdatedPayload>;
  /** Tells whether the app is visible and in use. While it is not, this device gets push notifications although it is connected.
   * */
  setActive(isActive: boolean): void;
}

/** Storage in a browser's IndexedDB. */
export declare function indexedDbStorage(name?: string): Storage;

/** A new idempotency key, for applications that keep drafts before they send them. */
export declare function newTempId(): string;

export declare const CLOSE: Readonly<Record<string, number>>;
export declare const COMMAND: Readonly<Record<string, string>>;
export declare const EVENT: Readonly<Record<string, string>>;
