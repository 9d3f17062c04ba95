"""A private RabbitMQ: its own Erlang node, port mapper, cookie and folders, on the loopback address."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tools.stack import probes
from tools.stack.home import Home
from tools.stack.ladder import program
from tools.stack.program import Layer, Program

NODE = "chat@localhost"
CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
log.console = true
log.console.level = info
log.file = false
vm_memory_high_watermark.relative = 0.3
disk_free_limit.absolute = 200MB
"""
LIBRARIES = ("compiler", "crypto", "mnesia", "os_mon", "syntax_tools", "xmerl", "tools", "ssl", "public_key", "asn1")
"""Erlang libraries that the broker loads at its start."""
ALONE = ("-rabbit", "quorum_tick_interval", "30000", "-aten", "heartbeat_interval", "5000")
"""For a broker without others, in ms: how often a queue looks for its replicas and renews its statistics, and how often the
broker tells other ones that it lives. The defaults are 5 s, for each of 27 queues, and 0.1 s: most of what it does at rest.
A queue keeps the interval that it was declared with.
"""


class RabbitMQ:
    """The broker `name` in `home`, and the Erlang port mapper (epmd) that it can't start without.

    `node`: its name among Erlang nodes. `settings`: lines that the configuration has besides, for a node of a cluster. `plugin`:
    one to enable.
    """

    def __init__(
        self,
        home: Home,
        ports: tuple[int, int, int],
        name: str = "rabbitmq",
        *,
        node: str = NODE,
        settings: str = "",
        plugin: str = "",
    ) -> None:
        self._name = name
        self._plugin = plugin
        self._node = node
        self._settings = settings
        self._data = home.data(name)
        self._port, self._epmd_port, self._distribution_port = ports

    @property
    def url(self) -> str:
        """Where clients connect. The account is RabbitMQ's own, which it accepts from the loopback address only."""
        return f"amqp://guest:guest@127.0.0.1:{self._port}/"

    def programs(self, environment: Mapping[str, str]) -> list[Program]:
        """Return epmd, and then the broker: without a port mapper, the broker would start one that nothing stops."""
        shared = {**environment, **self._environment()}
        epmd = Program(
            name=f"{self._name}-epmd",
            command=(program("epmd"), "-port", str(self._epmd_port), "-address", "127.0.0.1"),
            port=self._epmd_port,
            probe=partial(probes.listening, self._epmd_port),
            environment=shared,
            layer=Layer.FOUNDATION,
        )
        broker = Program(
            name=self._name,
            command=(program("rabbitmq-server"),),
            port=self._port,
            probe=partial(probes.amqp, self.url),
            environment=shared,
            prepare=self._prepare,
            start_seconds=120,
            stop_seconds=30,
        )
        return [epmd, broker]

    def _environment(self) -> dict[str, str]:
        return {
            # The cookie, with which nodes and tools authenticate, is created in the home folder.
            "HOME": str(self._data),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self._data / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self._data / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(self._data / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self._data / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._data / "enabled_plugins"),
            "RABBITMQ_PLUGINS_DIR": str(self._plugins_folder()),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(self._arguments()),
            # The start script then becomes the broker: the process that we started is the one that serves.
            "detached": "1",
        }

    def _arguments(self) -> list[str]:
        """For the Erlang machine: two schedulers that sleep when idle, as those of slow work do, and the libraries in front.

        It ignores Ctrl-C. A module is looked up in each folder of the path in turn, and each look-up is a switch of threads: with
        the 90 folders of plugins in front, most of a start was spent on 50,000 look-ups. Measured here: 8 s of CPU before, 2.7 s
        with this.
        """
        folders = [str(path / "ebin") for path in (*self._parts(), *_erlang_libraries())]
        waiting = ["+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]
        return ["+B", "i", "+S", "2:2", *waiting, *(() if self._settings else ALONE), "-pa", *folders]

    def _parts(self) -> list[Path]:
        """Return the folders of the broker itself and of what it needs, among those of all plugins."""
        found = sorted(_all_plugins().glob("*-[0-9]*"))
        return [path for path in found if not path.name.startswith("rabbitmq_") or "prelaunch" in path.name]

    def _plugins_folder(self) -> Path:
        """Return a folder of plugins that has only the broker: the broker puts what it finds there first into the path."""
        return self._data / "plugins" if _all_plugins().is_dir() else _all_plugins()

    def _prepare(self) -> None:
        for folder in ("mnesia", "log", "plugins"):
            (self._data / folder).mkdir(parents=True, exist_ok=True)
        configuration = CONFIGURATION.format(port=self._port) + self._settings
        (self._data / "rabbitmq.conf").write_text(configuration, encoding="utf-8")
        (self._data / "enabled_plugins").write_text(f"[{self._plugin}].\n", encoding="utf-8")
        for link in (self._data / "plugins").iterdir():
            link.unlink()
        # A plugin needs others, which only the broker knows.
        for plugin in _all_plugins().glob("*-[0-9]*" if self._plugin else "rabbit-[0-9]*"):
            (self._data / "plugins" / plugin.name).symlink_to(plugin)


def _all_plugins() -> Path:
    """Return the folder of plugins beside the start script, with links followed."""
    return Path(program("rabbitmq-server")).resolve().parents[1] / "plugins"


def _erlang_libraries() -> list[Path]:
    """Where Erlang keeps `LIBRARIES`: beside the binary that `epmd` is a link to, lib/erlang/erts-*/bin."""
    lib = Path(program("epmd")).resolve().parents[2] / "lib"
    return [path for name in LIBRARIES for path in sorted(lib.glob(f"{name}-[0-9]*"))[-1:]]
