/** What is attached to the message that is being written: chosen, pasted or dropped, uploaded while the user goes on writing. */
import { byId, element, icon } from "../dom.js";
import { fileSize, problemText } from "../words.js";

const MOST = 10;

export class Attachments {
  #client;
  #say;
  /** Conversation → its attachments: {file, node, bar, controller, media}. */
  #byConversation = new Map();
  #shownId = null;

  constructor({ client, say }) {
    this.#client = client;
    this.#say = say;
  }

  /** Shows the attachments of a conversation. */
  show(conversationId) {
    this.#shownId = conversationId;
    byId("attachments").replaceChildren(...this.#of(conversationId).map(({ node }) => node));
  }

  /** Begins to upload files for a conversation. */
  add(conversationId, files) {
    const list = this.#of(conversationId);
    for (const file of files) {
      if (list.length === MOST) {
        this.#say(`A message takes ${MOST} files.`);
        break;
      }
      list.push(this.#begin(conversationId, file));
    }
    this.show(this.#shownId);
  }

  /** Returns and removes the finished attachments; null, with a notice, while any is still being uploaded. */
  take(conversationId) {
    const list = this.#of(conversationId);
    if (list.some(({ media }) => !media)) {
      this.#say("The files are still being uploaded.");
      return null;
    }
    this.#byConversation.delete(conversationId);
    this.show(this.#shownId);
    return list.map(({ media }) => media);
  }

  #of(conversationId) {
    if (!this.#byConversation.has(conversationId)) this.#byConversation.set(conversationId, []);
    return this.#byConversation.get(conversationId);
  }

  #begin(conversationId, file) {
    const controller = new AbortController();
    const bar = element("progress", { max: 1, value: 0 });
    const remove = element("button", { type: "button", title: "Remove" }, icon("close", `Remove ${file.name}`));
    const label = element("span", { className: "file-name", textContent: file.name, title: file.name });
    const node = element("li", { className: "attachment" }, preview(file), label, bar, remove);
    const attachment = { node, media: null };
    remove.onclick = () => this.#remove(conversationId, attachment, controller);
    const onProgress = ({ sent, total }) => (bar.value = sent / total);
    this.#client
      .upload(file, { conversationId, onProgress, signal: controller.signal })
      .then((media) => {
        attachment.media = media;
        node.classList.add("ready");
        label.textContent = `${file.name}, ${fileSize(media.size)}`;
      })
      .catch((error) => {
        if (error.code !== "aborted") this.#say(`${file.name}: ${problemText(error)}`);
        this.#remove(conversationId, attachment, controller);
      });
    return attachment;
  }

  #remove(conversationId, attachment, controller) {
    controller.abort();
    const list = this.#of(conversationId);
    this.#byConversation.set(
      conversationId,
      list.filter((other) => other !== attachment),
    );
    this.show(this.#shownId);
  }
}

/** A picture of the file, if it is one: from the file itself, before anything is uploaded. */
function preview(file) {
  if (!file.type.startsWith("image/")) return icon("file");
  const image = element("img", { src: URL.createObjectURL(file), alt: "", width: 40, height: 40 });
  image.onload = image.onerror = () => URL.revokeObjectURL(image.src);
  return image;
}
