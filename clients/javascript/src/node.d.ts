/** Anything that stores texts by key; see `Storage` of the main entry. */
export interface FileStorage {
  getItem(key: string): Promise<string | null>;
  setItem(key: string, value: string): Promise<void>;
  removeItem(key: string): Promise<void>;
}

/** Storage in a folder, with a file for each key. The folder is created when it is missing. */
export declare function fileStorage(folder: string): FileStorage;
