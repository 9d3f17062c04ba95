/** `npm run build`: `dist/` with an ES module, a CommonJS module, their source maps, and one file of types for each. */
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** Everything that a page loads for this client, minified and compressed. */
const MOST_BYTES = 12 * 1024;
const COMMON = { entryPoints: ["src/index.js"], bundle: true, target: "es2022", platform: "neutral" };

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
await build({ ...COMMON, format: "esm", outfile: "dist/index.js", sourcemap: true });
await build({ ...COMMON, format: "cjs", outfile: "dist/index.cjs", sourcemap: true });
await writeFile("dist/index.d.ts", await types());
await copyFile("dist/index.d.ts", "dist/index.d.cts");

const { outputFiles } = await build({ ...COMMON, format: "esm", minify: true, write: false });
const bytes = gzipSync(outputFiles[0].contents).length;
console.log(`${bytes} bytes, minified and compressed`);
if (bytes > MOST_BYTES) throw new Error(`the client is larger than ${MOST_BYTES} bytes`);

/** The declarations in one file: a CommonJS package can't point at the types of an ES module (TypeScript 1541). */
async function types() {
  const parts = await Promise.all(["wire", "types", "index"].map((name) => readFile(`src/${name}.d.ts`, "utf8")));
  return parts.map((part) => part.replace(/^(import type|export type \*)[^;]*;\n/gm, "")).join("\n");
}
