/** Runs a Python program in CPython 3.10 (Pyodide), which sees a folder of installed packages: `node … FOLDER PROGRAM`. */
import { loadPyodide } from "pyodide";
import { createRequire } from "node:module";
import { dirname } from "node:path";

const [packages, program] = process.argv.slice(2);
const indexURL = `${dirname(createRequire(import.meta.url).resolve("pyodide/package.json"))}/`;
const python = await loadPyodide({ indexURL });
python.FS.mkdirTree("/packages");
python.FS.mount(python.FS.filesystems.NODEFS, { root: packages }, "/packages");
python.runPython("import sys; sys.path.insert(0, '/packages')");
console.log(await python.runPythonAsync(program));
