/** Most unacknowledged messages of one person: people go on writing while the network is down. */
const WINDOW = 50;

/**
 * Two people who talk over a bad network, in Node or a browser: each sends its messages, and the result says what each has seen.
 *
 * @param {object} options
 * @param {typeof import("../src/index.js").ChatClient} options.ChatClient
 * @param {string} options.url of the bad network
 * @param {Record<string, string>} options.tokens by username, of the two
 * @param {string} options.conversationId
 * @param {number} options.count messages of each
 * @param {number} options.paceMs between two messages
 * @param {number} options.patienceMs for the rest to arrive, once all are sent
 * @param {any} [options.WebSocket]
 */
export async function talk({ ChatClient, url, tokens, conversationId, count, paceMs, patienceMs, WebSocket }) {
  const people = Object.entries(tokens).map(([username, token]) => join(username, token));
  const total = people.length * count;
  await Promise.all(people.map(say));
  await until(() => people.every(({ shown }) => shown.length >= total), patienceMs);
  const result = people.map(({ username, shown, events }) => ({ username, shown, ...events }));
  people.forEach(({ client }) => client.close());
  return result;

  function join(username, token) {
    const client = new ChatClient({ url, getToken: () => token, WebSocket });
    const shown = [];
    const events = { connections: 0, resumed: 0, overRest: 0, lost: 0 };
    const show = ({ message: { seq, content } }, { source }) => {
      shown.push([seq, content]);
      if (source === "rest") events.overRest++;
    };
    client.on("message.new", show);
    client.on("message.sent", show);
    client.on("lost", () => events.lost++);
    client.on("connection.success", ({ recovered }) => {
      events.connections++;
      if (recovered) events.resumed++;
    });
    client.track(conversationId, 0);
    client.connect();
    return { username, client, shown, events };
  }

  async function say({ username, client }) {
    const acknowledged = [];
    for (let number = 1; number <= count; number++) {
      await acknowledged[number - 1 - WINDOW];
      acknowledged.push(client.send({ conversationId, content: `${username} ${number}` }).sent);
      await pause(paceMs);
    }
    await Promise.all(acknowledged);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(condition, patienceMs) {
  for (const end = Date.now() + patienceMs; Date.now() < end && !condition(); ) await pause(50);
}
