/** The page's start: who is this, then the client, the model and the views, in this order. */
import { ChatClient } from "/client/src/index.js";
import { Actions } from "./actions.js";
import { followAttention } from "./attention.js";
import { byId } from "./dom.js";
import { followEvents } from "./events.js";
import { Model } from "./model.js";
import { beforeLeaving, knownName, login, remember } from "./session.js";
import { Unsent } from "./unsent.js";
import { showBanner } from "./views/banner.js";
import { showComposer } from "./views/composer.js";
import { askName } from "./views/login.js";
import { showLists } from "./views/lists.js";
import { showMessages } from "./views/messages.js";
import { showMyself } from "./views/myself.js";
import { showNotifications } from "./views/notifications.js";
import { showPeer } from "./views/peer.js";
import { showTheme } from "./views/theme.js";
import { say } from "./views/toasts.js";
import { showUnreadJump } from "./views/unread_jump.js";

const VIEWS = [showBanner, showMyself, showLists, showPeer, showMessages, showUnreadJump, showComposer];

async function start() {
  showTheme();
  const me = await enter();
  let first = me.token;
  const getToken = async () => {
    const token = first ?? (await login(me.username)).token;
    first = null;
    return token;
  };
  const client = new ChatClient({ url: location.origin, getToken });
  const model = new Model(me);
  const unsent = new Unsent(me.username);
  const actions = new Actions({ client, model, unsent, say });
  followEvents(client, model, actions);
  for (const show of VIEWS) model.onChange(show({ client, model, actions }));
  const push = showNotifications({ client, model, say, onOpen: (conversationId) => actions.open(conversationId) });
  beforeLeaving(async () => (await push)?.leave());
  followAttention(client);
  byId("app").hidden = false;
  model.changed();
  openFromAddress(client, model, actions);
  client.connect();
  for (const draft of unsent.all) actions.resend(draft);
}

/** Logs in with the name that this tab has, or asks for one until a login works. */
async function enter() {
  let name = knownName();
  let problem = "";
  for (;;) {
    name ??= await askName(problem);
    try {
      const me = await login(name);
      remember(me.username);
      return me;
    } catch (error) {
      problem = error.message;
      name = null;
    }
  }
}

/** `?with=bob` starts a chat with bob; `?conversation=<id>`, from a notification, opens that one. */
function openFromAddress(client, model, actions) {
  const query = new URLSearchParams(location.search);
  const stop = client.on("synced", () => {
    stop();
    if (query.has("with")) void actions.startChat(query.get("with"));
    if (model.conversations.has(query.get("conversation"))) actions.open(query.get("conversation"));
  });
}

void start();
