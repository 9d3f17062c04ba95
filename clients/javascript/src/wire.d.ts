/** The shapes of `chat.v1` on the wire, generated from the server's declarations by `make docs`. */

/** A message to store and deliver. It needs media, or content with a visible character; a `custom` message needs metadata. `reply_to`: the seq of the message that it quotes. `metadata`: stored and delivered, never read by the server. */
export interface MessageSendPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  type: "audio" | "custom" | "file" | "image" | "text" | "video";
  content?: string | null;
  media?: Media[] | null;
  tempId?: string | null;
  replyTo?: number | null;
  metadata?: { [name: string]: unknown } | null;
}

/** One attachment: an upload by its `uploadId`, or an external `url` with its `type`. Sizes are in pixels and bytes. With `uploadId` all other fields are ignored, so a client may send back what it received. */
export interface Media {
  url?: string | null;
  type?: "audio" | "file" | "image" | "video" | null;
  thumbnail?: string | null;
  width?: number | null;
  height?: number | null;
  size?: number | null;
  name?: string | null;
  /** A UUID in its hyphenated form */
  uploadId?: string | null;
}

/** The user has read everything up to `seq` (default: everything). */
export interface MessageReadPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq?: number | null;
}

/** This device has everything up to `seq`. */
export interface MessageDeliveredPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
}

/** A conversation. */
export interface ConversationPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
}

/** The status of this device. */
export interface PresenceSetPayload {
  status: "away" | "busy" | "online";
}

/** `timestamp` is echoed unchanged: a number, or a text of at most 64 characters. */
export interface PingPayload {
  timestamp?: number | string | null;
}

/** A user, by username or by id. */
export interface UserPayload {
  username?: string | null;
  /** A UUID in its hyphenated form */
  userId?: string | null;
}

/** A newer token of the same subject. */
export interface AuthRefreshPayload {
  token: string;
}

/** A new text, or caption, for one of the sender's messages. */
export interface MessageEditPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
  content: string;
  tempId?: string | null;
}

/** One of the sender's messages, to delete for everybody. */
export interface MessageDeletePayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
  tempId?: string | null;
}

/** A message, and one emoji (UTS #51, ED-17) as one grapheme cluster. */
export interface ReactionPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
  emoji: string;
  tempId?: string | null;
}

/** `active`: the client's window is visible and in use. */
export interface ClientStatePayload {
  active: boolean;
}

/** The sender's `tempId` (null when none was sent) and the message as stored. */
export interface MessageSentPayload {
  tempId: string | null;
  message: Message;
}

/** A stored message. `seq` is 1, 2, 3 … in its conversation, without gaps, in commit order. `senderId` is null only in messages of type `system`, which have no `sender`. The fields after `sender` are left out where they have no value. A message with `deletedAt` has no content, media, metadata, reply, edit time and reactions any more. `reactions` are in the order of each emoji's first use. */
export interface Message {
  /** A UUID in its hyphenated form */
  id: string;
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
  /** A UUID in its hyphenated form */
  senderId: string | null;
  type: "audio" | "custom" | "file" | "image" | "text" | "video" | "system";
  content: string | null;
  media: Attachment[];
  isRead: boolean;
  /** RFC 3339 UTC with milliseconds */
  readAt: string | null;
  /** RFC 3339 UTC with milliseconds */
  deliveredAt: string | null;
  /** RFC 3339 UTC with milliseconds */
  createdAt: string;
  sender?: Sender;
  replyTo?: ReplyTo;
  metadata?: { [name: string]: unknown };
  /** RFC 3339 UTC with milliseconds */
  editedAt?: string;
  /** RFC 3339 UTC with milliseconds */
  deletedAt?: string;
  reactions?: Reaction[];
}

/** One attachment of a stored message: an upload (with `uploadId`), or an external URL as its sender gave it. Sizes are those of what is served, in pixels and bytes. `url` and `thumbnail` of an upload are signed for 7 days. */
export interface Attachment {
  type: "audio" | "file" | "image" | "video";
  url?: string | null;
  thumbnail?: string | null;
  width?: number | null;
  height?: number | null;
  size?: number | null;
  name?: string | null;
  /** A UUID in its hyphenated form */
  uploadId?: string | null;
  mimeType?: string | null;
  durationMs?: number | null;
  blurhash?: string | null;
}

/** Who sent a message. */
export interface Sender {
  /** A UUID in its hyphenated form */
  id: string;
  username: string;
  displayName: string;
  avatar: string | null;
}

/** The quoted message as it was when the reply was sent, its text cut to 100 characters. Of a deleted message, only `seq` and `deletedAt` are left. `senderId` is null for a system message. */
export interface ReplyTo {
  seq: number;
  /** A UUID in its hyphenated form */
  senderId?: string | null;
  type?: "audio" | "custom" | "file" | "image" | "text" | "video" | "system";
  content?: string | null;
  /** RFC 3339 UTC with milliseconds */
  deletedAt?: string;
}

/** An emoji on a message, and the users who reacted with it, in the order of their reactions. */
export interface Reaction {
  emoji: string;
  userIds: string[];
}

/** A message for its receiver, with the sender's profile. */
export interface MessageNewPayload {
  message: Message;
  unread: Unread;
}

/** Unread messages of the receiver: in this conversation, and in all. `total` is the last field, because fan-out fills it in. */
export interface Unread {
  conversation: number;
  total: number;
}

/** A device of `deliveredTo` has received everything up to `seq`. */
export interface MessageDeliveredUpdatePayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  /** A UUID in its hyphenated form */
  deliveredTo: string;
  seq: number;
  /** RFC 3339 UTC with milliseconds */
  deliveredAt: string;
}

/** Sent to the reader's own devices: everything up to `seq` is read. */
export interface MessageReadAckPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  /** RFC 3339 UTC with milliseconds */
  readAt: string;
  seq: number;
  unread: Unread;
}

/** `readBy` has read everything up to `seq`. */
export interface MessageReadUpdatePayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  /** A UUID in its hyphenated form */
  readBy: string;
  /** RFC 3339 UTC with milliseconds */
  readAt: string;
  seq: number;
}

/** The current state of the conversation. */
export interface ConversationUpdatedPayload {
  conversation: Conversation;
}

/** A direct conversation as the requesting user sees it. `lastMessage` is null when there is none, or when it is hidden. Messages before `firstSeq` are expired (`CHAT_RETENTION_DAYS`). It is 1 when none is, and `lastSeq` + 1 when all are. */
export interface Conversation {
  /** A UUID in its hyphenated form */
  id: string;
  participants: Participant[];
  lastMessage: Message | null;
  lastSeq: number;
  unread: number;
  /** RFC 3339 UTC with milliseconds */
  updatedAt: string;
  me: OwnState;
  firstSeq?: number;
}

/** A participant, and the seqs up to which it has read, and its devices have received, everything. 0: nothing yet. */
export interface Participant {
  /** A UUID in its hyphenated form */
  id: string;
  username: string;
  displayName: string;
  avatar: string | null;
  readSeq: number;
  deliveredSeq: number;
}

/** The requesting user's own settings and state. `mutedUntil` is null without a mute. Messages up to `clearedSeq` are hidden. */
export interface OwnState {
  /** RFC 3339 UTC with milliseconds */
  mutedUntil: string | null;
  archived: boolean;
  pinned: boolean;
  markedUnread: boolean;
  clearedSeq: number;
  readSeq: number;
}

/** The user deleted the conversation for itself: everything up to `clearedSeq` is hidden. */
export interface ConversationClearedPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  clearedSeq: number;
}

/** The current content. `editedAt` is null when an edit changed nothing on a message that was never edited. `tempId` is that of the edit, only for connections of the user who made it. */
export interface MessageUpdatedPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
  content: string | null;
  /** RFC 3339 UTC with milliseconds */
  editedAt: string | null;
  tempId?: string;
}

/** The message is deleted for everybody. `unread` is only for the receiver, when the counts changed. It is the last field, because fan-out fills in its total. */
export interface MessageDeletedPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
  /** RFC 3339 UTC with milliseconds */
  deletedAt: string;
  tempId?: string;
  unread?: Unread;
}

/** A user reacted to a message (`active`), or removed the reaction. */
export interface ReactionUpdatedPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  seq: number;
  /** A UUID in its hyphenated form */
  userId: string;
  emoji: string;
  active: boolean;
  /** RFC 3339 UTC with milliseconds */
  at: string;
  tempId?: string;
}

/** The user with whom the receiver had this conversation was erased. */
export interface UserDeletedPayload {
  /** A UUID in its hyphenated form */
  userId: string;
  /** A UUID in its hyphenated form */
  conversationId: string;
}

/** The first data about a connection. `heartbeatSeconds`: the server's ping period. `features`: names of the features that this deployment offers beyond the core. */
export interface ConnectionSuccessPayload {
  /** A UUID in its hyphenated form */
  userId: string;
  /** RFC 3339 UTC with milliseconds */
  connectedAt: string;
  /** A UUID in its hyphenated form */
  connectionId: string;
  recovered: boolean | null;
  cursor: string;
  heartbeatSeconds: number;
  maxMessageBytes: number;
  /** RFC 3339 UTC with milliseconds */
  expiresAt: string;
  features: string[];
}

/** Friends with their status, at most 500 in one event. */
export interface StatusBulkPayload {
  users: UserStatus[];
}

/** A friend's status. `lastSeen` is null for a user who was never seen. */
export interface UserStatus {
  /** A UUID in its hyphenated form */
  userId: string;
  isOnline: boolean;
  status: "away" | "busy" | "offline" | "online";
  /** RFC 3339 UTC with milliseconds */
  lastSeen: string | null;
}

/** Who types where. Only `typing.start` has `expiresInMs`. */
export interface TypingPayload {
  /** A UUID in its hyphenated form */
  conversationId: string;
  /** A UUID in its hyphenated form */
  userId: string;
  expiresInMs?: number;
}

/** `timestamp` is the server's, in Unix seconds; `echo` is the client's. */
export interface PongPayload {
  timestamp: number;
  echo: number | string | null;
}

/** The user is blocked since `blockedAt`, the time of the first block, however often it was repeated. */
export interface BlockAddedPayload {
  username: string;
  /** RFC 3339 UTC with milliseconds */
  blockedAt: string;
}

/** The user is no longer blocked. */
export interface BlockRemovedPayload {
  username: string;
  /** RFC 3339 UTC with milliseconds */
  unblockedAt: string;
}

/** When the connection's token expires. */
export interface AuthPayload {
  /** RFC 3339 UTC with milliseconds */
  expiresAt: string;
}

/** A user's current profile. */
export interface UserUpdatedPayload {
  /** A UUID in its hyphenated form */
  userId: string;
  username: string;
  displayName: string;
  avatar: string | null;
}

/** An error over either transport. */
export interface ErrorEvent {
  type: "error";
  error: ErrorDetail;
  ref?: ErrorReference;
}

/** Code, human-readable message, and what to do. `retry_after` is in seconds. */
export interface ErrorDetail {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  retryAfter?: number;
}

/** The value of `error.code`, the same for WebSocket and REST. */
export type ErrorCode = "blocked" | "conversation_not_found" | "duplicate_temp_id" | "forbidden" | "internal_error" | "message_not_found" | "not_allowed" | "not_found" | "rate_limit_exceeded" | "send_failed" | "unauthorized" | "unavailable" | "unknown_event" | "upload_not_found" | "upload_not_ready" | "user_not_found" | "validation_error";

/** The request that failed: its event type, and the ids by which the client knows it. */
export interface ErrorReference {
  type: string;
  tempId?: string | null;
  conversationId?: string | null;
}

/** What a client sends: command type → payload. */
export interface CommandPayloads {
  "message.send": MessageSendPayload;
  "message.read": MessageReadPayload;
  "message.delivered": MessageDeliveredPayload;
  "typing.start": ConversationPayload;
  "typing.stop": ConversationPayload;
  "presence.set": PresenceSetPayload;
  "ping": PingPayload;
  "block.add": UserPayload;
  "block.remove": UserPayload;
  "auth.refresh": AuthRefreshPayload;
  "message.edit": MessageEditPayload;
  "message.delete": MessageDeletePayload;
  "reaction.add": ReactionPayload;
  "reaction.remove": ReactionPayload;
  "client.state": ClientStatePayload;
}

/** What the server sends: event type → payload. Errors have none. */
export interface EventPayloads {
  "message.sent": MessageSentPayload;
  "message.new": MessageNewPayload;
  "message.delivered_update": MessageDeliveredUpdatePayload;
  "message.read_ack": MessageReadAckPayload;
  "message.read_update": MessageReadUpdatePayload;
  "conversation.updated": ConversationUpdatedPayload;
  "conversation.cleared": ConversationClearedPayload;
  "message.updated": MessageUpdatedPayload;
  "message.deleted": MessageDeletedPayload;
  "reaction.updated": ReactionUpdatedPayload;
  "user.deleted": UserDeletedPayload;
  "connection.success": ConnectionSuccessPayload;
  "status.bulk": StatusBulkPayload;
  "user.online": UserStatus;
  "user.offline": UserStatus;
  "user.status": UserStatus;
  "typing.start": TypingPayload;
  "typing.stop": TypingPayload;
  "pong": PongPayload;
  "block.added": BlockAddedPayload;
  "block.removed": BlockRemovedPayload;
  "auth.expiring": AuthPayload;
  "auth.refreshed": AuthPayload;
  "user.updated": UserUpdatedPayload;
}
