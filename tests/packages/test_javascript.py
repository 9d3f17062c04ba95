"""The JavaScript package: as a TypeScript application that Vite builds gets it, and as a CommonJS program of Node."""

import json
import shutil
from pathlib import Path

import pytest

from tests.packages.conftest import Compiled
from tests.support.packages import ATTW, PUBLINT, TSC, VITE, run_command, undeclared_imports

API = Path(__file__).parents[2] / "docs" / "api"
MODELS = Path(__file__).parent / "models.mjs"
COMMONJS = """
const { ChatClient } = require("@chat-backend/client");
const { WebSocket } = require("ws");
// Nobody listens there: each attempt is an error of `ws`.
const client = new ChatClient({ url: "http://127.0.0.1:1", getToken: () => "token", WebSocket });
let waits = 0;
client.on("state", ({ state }) => {
  if (state !== "waiting" || ++waits < 2) return;
  client.close();
  console.log("still alive");
});
client.connect();
"""


@pytest.mark.parametrize("name", ["client", "react"])
def test_a_package_imports_only_what_it_declares(name: str, installed: Path) -> None:
    package = installed / "node_modules" / "@chat-backend" / name
    assert undeclared_imports(package, package / "dist") == set()


def test_a_strict_typescript_application_builds_with_it(installed: Path, compiled: Compiled) -> None:
    assert compiled["application"] == []
    application = installed / "application"
    (application / "index.html").write_text("<script type='module' src='/src/main.tsx'></script>")
    run_command([f"../{VITE}", "build"], application)
    assert any((application / "dist" / "assets").glob("*.js"))


def test_its_types_refuse_what_the_server_never_sends(compiled: Compiled) -> None:
    (fault,) = compiled["wrong"]
    assert "massage" in fault


def test_its_types_need_neither_those_of_a_browser_nor_of_node(compiled: Compiled) -> None:
    """As in an application of React Native."""
    assert compiled["bare"] == []


def test_a_commonjs_program_survives_a_refused_connection_of_ws(installed: Path) -> None:
    folder = installed / "commonjs"
    folder.mkdir()
    (folder / "package.json").write_text(json.dumps({"private": True}))
    (folder / "main.js").write_text(COMMONJS)
    assert "still alive" in run_command(["node", "main.js"], folder, seconds=60)


def test_the_package_is_small_and_clean(clients: Path, packed_client: Path) -> None:
    sources = clients / "javascript"
    run_command(["npm", "run", "types"], sources)
    # The build that packed it refuses a client of more than 12 kB.
    assert "All good" in run_command([PUBLINT, "--strict"], sources)
    run_command([ATTW, str(packed_client), "--format", "ascii", "--profile", "node16"], sources)


def test_generated_types_of_the_rest_calls_compile(installed: Path, tmp_path: Path) -> None:
    for document in ("openapi.json", "admin-openapi.json"):
        made = tmp_path / f"{document}.d.ts"
        run_command(["node_modules/.bin/openapi-typescript", str(API / document), "--output", str(made)], installed)
    compile_generated(tmp_path, "*.d.ts", installed)


def test_generated_models_of_the_events_compile(installed: Path) -> None:
    folder = installed / "events"
    folder.mkdir()
    shutil.copy(MODELS, folder)
    names = run_command(["node", MODELS.name, str(API / "asyncapi.json"), "models"], folder).split()
    assert {"MessageSendPayload", "Message", "MessageType", "PresenceStatus", "ErrorCode"} <= set(names)
    assert [name for name in names if "Anonymous" in name] == []
    compile_generated(folder, "models/*.ts", installed)


def compile_generated(folder: Path, sources: str, installed: Path) -> None:
    """Run the installed compiler over what a generator has made; AssertionError when it complains."""
    # Without a target, the compiler falls back to a language that knows no iterators; without `types`, it reads React's, and
    # without `lib` those of a browser, which models don't need.
    settings = {"strict": True, "noEmit": True, "target": "es2022", "module": "es2022", "types": [], "lib": ["es2022"]}
    settings["moduleResolution"] = "bundler"
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": settings, "include": [sources]}))
    run_command([TSC, "--project", str(folder)], installed)
