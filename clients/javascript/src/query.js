/** query — what follows the path of a URL. */

/**
 * `?a=1&b=2`; what is undefined or null is left out. React Native's URLSearchParams can't be written to.
 *
 * @param {Record<string, string | number | boolean | null | undefined>} fields
 */
export function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  const pairs = given.map(([name, value]) => `${name}=${encodeURIComponent(/** @type {string} */ (value))}`);
  return pairs.length ? `?${pairs.join("&")}` : "";
}
