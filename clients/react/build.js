/** `npm run build`: `dist/` with an ES module, a CommonJS module, their source maps, and their types. */
import { copyFile, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const OPTIONS = { entryPoints: ["src/index.js"], bundle: true, target: "es2022", platform: "neutral", sourcemap: true };
// The application has one copy of each.
const external = ["react", "@chat-backend/client", "@chat-backend/client/store", "@chat-backend/client/tabs"];

await rm("dist", { recursive: true, force: true });
await mkdir("dist");
await build({ ...OPTIONS, external, format: "esm", outfile: "dist/index.js" });
await build({ ...OPTIONS, external, format: "cjs", outfile: "dist/index.cjs" });
await copyFile("src/index.d.ts", "dist/index.d.ts");
await writeFile("dist/index.d.cts", await readFile("src/index.d.ts", "utf8"));
