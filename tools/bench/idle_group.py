"""A control group whose processes get only the CPU that nobody else wants: `cpu.idle`, as of systemd's `CPUWeight=idle`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

ROOTS: Final = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup"))
"""Where the CPU controller is, in version 1 and in version 2 of control groups."""
NAME: Final = "chat-idle"


@contextmanager
def idle_group(pids: list[int]) -> Iterator[None]:
    """Keep the processes `pids`, and the children that they start, in that group while the block runs.

    Raises OSError when the system has no such groups (before Linux 5.15), or when this user may not make one.
    """
    root = next(
        (root for root in ROOTS if (root / "cpu.shares").exists() or (root / "cgroup.controllers").exists()), None
    )
    if root is None:
        raise FileNotFoundError(ROOTS[0])
    group = root / NAME
    group.mkdir(exist_ok=True)
    try:
        (group / "cpu.idle").write_text("1", encoding="ascii")
        for pid in pids:
            _move(pid, group)
        yield
    finally:
        for member in (group / "cgroup.procs").read_text(encoding="ascii").split():
            with suppress(ProcessLookupError):
                _move(int(member), root)
        with suppress(OSError):
            # A process that is just ending keeps it; the next run takes it as it is.
            group.rmdir()


def _move(pid: int, group: Path) -> None:
    (group / "cgroup.procs").write_text(str(pid), encoding="ascii")
