/** `node models.mjs document folder`: TypeScript models of an AsyncAPI document. A warning is an error here. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Logger, TypeScriptGenerator } from "@asyncapi/modelina";

const [document, folder] = process.argv.slice(2);
const fail = (...words) => {
  throw new Error(words.join(" "));
};
Logger.setLogger({ debug: () => {}, info: () => {}, warn: fail, error: fail });
const generator = new TypeScriptGenerator({ modelType: "interface" });
const models = await generator.generateCompleteModels(JSON.parse(await readFile(document, "utf8")), { exportType: "named" });
await mkdir(folder, { recursive: true });
for (const { modelName, result } of models) await writeFile(join(folder, `${modelName}.ts`), result);
console.log(models.map(({ modelName }) => modelName).join(" "));
