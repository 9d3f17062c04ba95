"""CPU time is that of all threads and all children, by kind of process."""

import os
import subprocess
import sys
import threading
import time

from tools.bench import cpu

SPIN = "import time\nuntil = time.process_time() + 0.2\nwhile time.process_time() < until: pass\nprint(flush=True)\ninput()"


def spin(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_threads_count() -> None:
    before = cpu.nanoseconds(os.getpid())
    spun, done = threading.Event(), threading.Event()

    def work() -> None:
        spin(0.1)
        spun.set()
        done.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    assert spun.wait(10)
    assert cpu.nanoseconds(os.getpid()) - before >= 90_000_000
    done.set()
    thread.join()


def test_children_count() -> None:
    shell = ["sh", "-c", '"$0" -c "$1"; true', sys.executable, SPIN]
    with subprocess.Popen(shell, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        sample = cpu.sample({"worker": [process.pid]})
        assert len(sample) == 2
        assert cpu.difference({}, sample)["worker"] >= 150_000_000
        process.communicate(b"\n")
    assert cpu.sample({"worker": [process.pid]}) == {}


def test_a_difference_is_by_kind() -> None:
    before = {1: ("a", 10), 2: ("a", 5), 3: ("b", 7)}
    after = {1: ("a", 30), 3: ("b", 8), 4: ("b", 100)}
    assert cpu.difference(before, after) == {"a": 20, "b": 101}
