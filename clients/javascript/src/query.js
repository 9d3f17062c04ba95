/** query — makes the query of a URL. */

/**
 * Returns `?a=1&b=2`, without undefined and null fields. (React Native's URLSearchParams is read-only.)
 *
 * @param {Record<string, string | number | boolean | null | undefined>} fields
 */
export function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined && value !== null);
  const pairs = given.map(([name, value]) => `${name}=${encodeURIComponent(/** @type {string} */ (value))}`);
  return pairs.length ? `?${pairs.join("&")}` : "";
}
