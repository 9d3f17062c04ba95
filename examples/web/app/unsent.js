/**
 * Unsent — drafts in sessionStorage, so that reloading the tab loses none. They are sent again with the same `tempId`, so none is
 * stored twice.
 */
export class Unsent {
  #key;

  constructor(username) {
    this.#key = `chat.unsent.${username}`;
  }

  get all() {
    return JSON.parse(sessionStorage.getItem(this.#key) ?? "[]");
  }

  add(draft) {
    this.#save([...this.all, draft]);
  }

  remove(tempId) {
    this.#save(this.all.filter((draft) => draft.tempId !== tempId));
  }

  #save(drafts) {
    sessionStorage.setItem(this.#key, JSON.stringify(drafts));
  }
}
