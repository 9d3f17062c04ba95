import type { ChatClient, ClientOptions } from "./index.js";

/** The options of a client that shares its connection with the user's other tabs. */
export interface TabOptions extends ClientOptions {
  /** The name of the shared connection, one for each user. */
  name?: string;
}

/** A client that shares its connection with the other tabs of this browser, with the calls and events of ChatClient. */
export interface TabClient
  extends Omit<ChatClient, "pending" | "drafts"> {
  /** Whether this tab holds the connection. */
  readonly isLeader: boolean;
}

/**
 * A client that shares its connection with the user's other tabs. Without Web Locks and BroadcastChannel it has its own
 * connection.
 */
export declare function sharedClient(options: TabOptions): ChatClient | TabClient;
