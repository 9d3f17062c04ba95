import type { Conversation, Message } from "@chat-backend/client";
import { indexedDbStorage } from "@chat-backend/client";
import { ChatProvider, useChat, useConversations, useMessages, usePresence, useTyping } from "@chat-backend/react";
import { StrictMode, useEffect, useState, type FormEvent } from "react";
import { createRoot } from "react-dom/client";
import "./style.css";

/** A real application asks its own back end for a token; this is the local stack's stand-in. */
async function login(username: string): Promise<string> {
  const answer = await fetch("/dev/login", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ username }),
  });
  if (!answer.ok) throw new Error(`the login failed (${answer.status})`);
  const { token }: { token: string } = await answer.json();
  return token;
}

const storage = indexedDbStorage();

function App() {
  const [username, setUsername] = useState(() => sessionStorage.getItem("username") ?? "");
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    sessionStorage.setItem("username", name);
    setUsername(name);
  };
  if (!username) {
    return (
      <form onSubmit={onSubmit}>
        <input name="name" placeholder="Your name" aria-label="Your name" required pattern="\S+" />
        <button>Enter</button>
      </form>
    );
  }
  return (
    <ChatProvider key={username} url={location.origin} getToken={() => login(username)} storage={storage} storageKey={username}>
      <Chat />
    </ChatProvider>
  );
}

function Chat() {
  const { connection } = useChat();
  const { items, open, hasMore, loadMore } = useConversations();
  const [openId, setOpenId] = useState<string | null>(null);
  const onSubmit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const conversation = await open({ username: String(new FormData(form).get("username")).trim() }).catch((error) => alert(error.message));
    form.reset();
    if (conversation) setOpenId(conversation.id);
  };
  return (
    <main>
      <aside>
        <p role="status">{connection.state === "open" ? "Online" : `${connection.state} ${connection.reason ?? ""}`}</p>
        <form onSubmit={onSubmit}>
          <input name="username" placeholder="Chat with …" aria-label="Chat with" required />
        </form>
        <ul>
          {items.map((conversation) => (
            <li key={conversation.id} aria-current={conversation.id === openId}>
              <button onClick={() => setOpenId(conversation.id)}>
                <Peer conversation={conversation} /> {conversation.unread > 0 && <b>{conversation.unread}</b>}
              </button>
            </li>
          ))}
        </ul>
        {hasMore && <button onClick={loadMore}>More</button>}
      </aside>
      {openId && <Thread key={openId} conversationId={openId} />}
    </main>
  );
}

function Peer({ conversation }: { conversation: Conversation }) {
  const { client } = useChat();
  const peer = conversation.participants.find(({ id }) => id !== client.userId);
  const { isOnline } = usePresence(peer?.id ?? "");
  return (
    <>
      <span aria-label={isOnline ? "online" : "offline"}>{isOnline ? "●" : "○"}</span> {peer?.displayName}
    </>
  );
}

function Thread({ conversationId }: { conversationId: string }) {
  const { items, pending, hasOlder, loadOlder, send, retry, markRead } = useMessages(conversationId);
  const { userIds, onInput } = useTyping(conversationId);
  useEffect(() => markRead(), [items, markRead]);
  const onSubmit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    send(String(new FormData(form).get("content")));
    form.reset();
  };
  return (
    <section>
      {hasOlder && <button onClick={loadOlder}>Older</button>}
      <ol>
        {items.map((message) => (
          <Line key={message.seq} message={message} />
        ))}
        {pending.map((one) => (
          <li key={one.draft.tempId} className="own">
            {one.draft.content} {one.status === "failed" ? <button onClick={() => retry(one)}>{one.error?.message}: try again</button> : "…"}
          </li>
        ))}
      </ol>
      <p aria-live="polite">{userIds.length > 0 && "is typing …"}</p>
      <form onSubmit={onSubmit}>
        <input name="content" placeholder="Message" aria-label="Message" onInput={onInput} required autoComplete="off" />
      </form>
    </section>
  );
}

function Line({ message }: { message: Message }) {
  const { client } = useChat();
  const isOwn = message.senderId === client.userId;
  if (message.deletedAt) return <li className={isOwn ? "own" : ""}>deleted</li>;
  return (
    <li className={isOwn ? "own" : ""}>
      {message.content} {message.editedAt && <small>edited</small>} {message.reactions?.map(({ emoji }) => emoji)}
    </li>
  );
}

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
