"""`python -m tests.support.fork_server FD MODULE …`: starts programs as forks of a process that has imported their modules.

Most of a service's start is imports. Here they happen once; a fork shares them. `tests/support/forks.py` is the client.

On the socket FD come requests in JSON, one a message:

- `{"import": […]}`: a fork imports more modules, and serves further requests. Its file is the socket on which they come.
- `{"module": …, "arguments": […], "environment": {…}}`: a fork becomes `python -m module arguments`. Its files
  are standard output and standard error.

The last file of each request is a socket, which gets the fork's process id, and its exit status when it ends.

It ends with its client, and its forks end with it. It has one thread and no event loop, so that forks are safe.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import selectors
import socket
import sys
from typing import Any, Final

from shared.imports import without_garbage_collection
from tools.stack.parent import end_with_parent

MESSAGE_BYTES: Final = 1 << 17
"""Far more than an environment has, and less than a socket takes at once."""
FILES: Final = 3
IGNORED: Final = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")
"""Variables of the interpreter that need no start of their own: the first is set for a fork, the second changes nothing there."""


class Server:
    """The requests of one client, and the forks that it asked for."""

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        # Not epoll: a fork would share it, and change it for the server, too.
        self._selector = selectors.PollSelector()
        self._selector.register(requests, selectors.EVENT_READ)

    def serve(self) -> tuple[dict[str, Any], list[int]]:
        """Fork for each request. Returns only in the fork, with the request and its files. Exits when the client does."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is not self._requests:
                    self._report(key)
                    continue
                message, files, _, _ = socket.recv_fds(self._requests, MESSAGE_BYTES, FILES)
                if not message:
                    raise SystemExit(0)
                if self._fork(files):
                    return json.loads(message), files

    def _fork(self, files: list[int]) -> bool:
        """Return whether this is the fork. The server keeps the last file: who asked reads there how the fork ends."""
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            end_with_parent()
            if os.getppid() != server:
                # It ended before this process asked to be told.
                os._exit(0)
            for key in list(self._selector.get_map().values()):
                self._forget(key)
            self._selector.close()
            return True
        told = socket.socket(fileno=files[-1])
        told.send(b"%d" % pid)
        for file in files[:-1]:
            os.close(file)
        self._selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, told))
        return False

    def _report(self, key: selectors.SelectorKey) -> None:
        pid, told = key.data
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):  # Perhaps nobody waits for it any more.
            told.send(b"%d" % os.waitstatus_to_exitcode(status))
        self._forget(key)

    def _forget(self, key: selectors.SelectorKey) -> None:
        self._selector.unregister(key.fileobj)
        if key.fileobj is self._requests:
            self._requests.close()
        else:
            os.close(key.fd)
            key.data[1].close()


def main() -> None:
    """Serve; in a fork, run what was asked for."""
    end_with_parent()
    served, modules = int(sys.argv[1]), sys.argv[2:]
    while True:
        with without_garbage_collection():
            for module in modules:
                importlib.import_module(module)
        gc.freeze()  # A search for garbage would write to all objects, and so copy the memory that forks share.
        request, (*files, told) = Server(socket.socket(fileno=served)).serve()
        os.close(told)
        if "import" not in request:
            break
        (served,), modules = files, request["import"]
    become(request, files)


def become(request: dict[str, Any], files: list[int]) -> None:
    """Run the module as the interpreter does after its own start."""
    os.setsid()
    for number, file in enumerate(files, start=1):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(request["environment"])
    if os.environ.get("PYTHONUNBUFFERED"):
        sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr]
    sys.argv[1:] = request["arguments"]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
