import type { ChatClient, ClientOptions } from "./index.js";

/** What a client needs to share its connection with the user's other tabs. */
export interface TabOptions extends ClientOptions {
  /** Of the connection that is shared, one for each user. */
  name?: string;
}

/** A client that shares its connection with the other tabs of this browser, with the calls and events of ChatClient. */
export interface TabClient
  extends Omit<ChatClient, "pending" | "drafts"> {
  /** Whether this tab holds the connection. */
  readonly isLeader: boolean;
}

/**
 * A client that shares its connection with the user's other tabs where the browser has Web Locks and BroadcastChannel, and has
 * its own elsewhere.
 */
export declare function sharedClient(options: TabOptions): ChatClient | TabClient;
