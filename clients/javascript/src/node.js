/** For Node only: storage in files. */
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

/**
 * Storage in a folder, a file for each key. When a process dies while it writes, the old value stays.
 *
 * @param {string} folder created when it is missing
 * @returns {import("./storage.js").Storage}
 */
export function fileStorage(folder) {
  const path = (/** @type {string} */ key) => join(folder, `${encodeURIComponent(key)}.json`);
  return {
    async getItem(key) {
      try {
        return await readFile(path(key), "utf8");
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return null;
        throw error;
      }
    },
    async setItem(key, value) {
      await mkdir(dirname(path(key)), { recursive: true });
      await writeFile(`${path(key)}.new`, value);
      await rename(`${path(key)}.new`, path(key));
    },
    async removeItem(key) {
      await rm(path(key), { force: true });
    },
  };
}
