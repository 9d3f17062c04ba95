/** `npm run build`: `dist/` with an ES module and a CommonJS module for each entry, their source maps, and their types. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Everything that a page loads for this client, minified and compressed. */
const MOST_BYTES = 12_500;
const COMMON = { bundle: true, target: "es2022" };
/** Entry → its source, the platform that it runs on, and the declarations that make up its types. */
const ENTRIES = {
  index: { source: "index", platform: "neutral", types: ["wire", "types", "index"] },
  tabs: { source: "tabs", platform: "neutral", types: ["tabs"] },
  store: { source: "store/index", platform: "neutral", types: ["store/index"] },
  node: { source: "node", platform: "node", types: ["node"] },
};

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
for (const [name, { source, platform, types }] of Object.entries(ENTRIES)) {
  const options = { ...COMMON, entryPoints: [`src/${source}.js`], platform, sourcemap: true };
  await build({ ...options, format: "esm", outfile: `dist/${name}.js` });
  await build({ ...options, format: "cjs", outfile: `dist/${name}.cjs` });
  const declarations = await joined(types);
  await writeFile(`dist/${name}.d.ts`, declarations.replaceAll("../index.js", "./index.js"));
  await writeFile(`dist/${name}.d.cts`, declarations.replaceAll(/\.\.?\/index\.js/g, "./index.cjs"));
}

const main = { ...COMMON, entryPoints: ["src/index.js"], platform: "neutral", format: "esm" };
const { outputFiles } = await build({ ...main, minify: true, write: false });
const bytes = gzipSync(outputFiles[0].contents).length;
console.log(`${bytes} bytes, minified and compressed`);
if (bytes > MOST_BYTES) throw new Error(`the client is larger than ${MOST_BYTES} bytes`);

/**
 * Declarations in one file: a CommonJS package can't point at the types of an ES module (TypeScript 1541).
 *
 * @param {string[]} names
 */
async function joined(names) {
  const parts = await Promise.all(names.map((name) => readFile(`src/${name}.d.ts`, "utf8")));
  // Those of one entry are joined; another entry is imported.
  const inner = names.length > 1 ? /^(import type|export type \*)[^;]*"\.\/[^;]*;\n/gm : /^$/;
  return parts.map((part) => part.replace(inner, "")).join("\n");
}
