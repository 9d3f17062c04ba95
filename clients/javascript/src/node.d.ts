/** Anything that keeps texts by key; see `Storage` of the main entry. */
export interface FileStorage {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<void>;
  removeItem(key: string): Promise<void>;
}

/** Storage in a folder, which is made when it is missing: a file for each key. */
export declare function fileStorage(folder: string): FileStorage;
