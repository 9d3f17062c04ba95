/**
 * Storage — stores what must survive the page or process. Anything with `getItem`, `setItem` and `removeItem`
 * works, synchronous or with promises: `localStorage`, React Native's AsyncStorage, `indexedDbStorage`, `fileStorage` of
 * `@chat-backend/client/node`.
 *
 * @typedef {object} Storage
 * @property {(key: string) => string | null | Promise<string | null>} getItem
 * @property {(key: string, value: string) => void | Promise<void>} setItem
 * @property {(key: string) => void | Promise<void>} removeItem
 */

const OBJECTS = "items";

/**
 * Storage in a browser's IndexedDB.
 *
 * @param {string} [name] of the database
 * @returns {Storage}
 */
export function indexedDbStorage(name = "chat") {
  /** @type {Promise<IDBDatabase> | null} */
  let opening = null;
  const database = () => (opening ??= open(name).catch((error) => ((opening = null), Promise.reject(error))));
  /** @param {IDBTransactionMode} mode @param {(items: IDBObjectStore) => IDBRequest} work */
  const run = async (mode, work) => {
    const transaction = (await database()).transaction(OBJECTS, mode);
    const request = work(transaction.objectStore(OBJECTS));
    await new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    return request.result;
  };
  return {
    getItem: async (key) => (await run("readonly", (items) => items.get(key))) ?? null,
    setItem: (key, value) => run("readwrite", (items) => items.put(value, key)),
    removeItem: (key) => run("readwrite", (items) => items.delete(key)),
  };
}

/**
 * @param {string} name
 * @returns {Promise<IDBDatabase>}
 */
function open(name) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => void request.result.createObjectStore(OBJECTS);
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error ?? new Error("IndexedDB is blocked"));
  });
}

/** One JSON value of a storage. Writes run one after another; of waiting ones, only the newest is written. */
export class StoredValue {
  #storage;
  #key;
  /** @type {string | null | undefined} the next value to write; null removes, undefined means nothing */
  #next = undefined;
  /** @type {Promise<void>} */
  #writing = Promise.resolve();

  /**
   * @param {Storage} storage
   * @param {string} key
   */
  constructor(storage, key) {
    this.#storage = storage;
    this.#key = key;
  }

  /** @returns {Promise<any>} null when there is none, or it can't be read */
  async read() {
    try {
      return JSON.parse((await this.#storage.getItem(this.#key)) ?? "null");
    } catch {
      return null;
    }
  }

  /**
   * @param {unknown} value null removes it
   * @returns {Promise<void>} when it is stored; rejects when it can't be
   */
  write(value) {
    this.#next = value === null ? null : JSON.stringify(value);
    return (this.#writing = this.#writing.catch(() => {}).then(() => this.#flush()));
  }

  async #flush() {
    const next = this.#next;
    this.#next = undefined;
    if (next === undefined) return;
    if (next === null) await this.#storage.removeItem(this.#key);
    else await this.#storage.setItem(this.#key, next);
  }
}
