"""Calls in a forked child: whatever they change dies with it, and so do processes they start.

`sandbox` imports this module, and gives it the function that makes one call; the child's answers
come back as data, never as code.
"""

import faulthandler
import gc
import json
import math
import os
import select
import signal
import struct
import sys
import time
import warnings
from pathlib import Path

import numpy as np

from course_lib.check.answers import LARGEST, LARGEST_ARRAY, Answer, Unshown
from course_lib.check.kernel_state import remember

_numbers = iter(range(2**60))


def can_fork() -> bool:
    """Say whether calls can be put into a forked child here."""
    return sys.platform.startswith("linux") and hasattr(os, "fork")


def call_in_child(one_call, inputs, seconds, memory) -> list:
    """Fork, let the child call and send one message an answer, and end it in any case."""
    limits = _limits(memory)
    read_end, write_end = os.pipe()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # 3.12 warns of threads; the child starts none of them
            child = os.fork()
    except OSError:
        os.close(read_end)
        os.close(write_end)
        raise
    if child == 0:
        _child(one_call, inputs, write_end, limits)
    os.close(write_end)
    status = 0
    try:
        answers = _collect(child, read_end, len(inputs), time.monotonic() + seconds)
    finally:
        os.close(read_end)
        status = _end(child, limits)
    ended = answers and answers[-1].how in ("too slow", "crashed")
    if len(answers) < len(inputs) and not ended:
        answers.append(_ending(status))
    return answers


def _child(one_call, inputs, write_end, limits) -> None:
    """Run the calls, write their answers, leave by `os._exit`: the parent's things stay."""
    leave, write, pack = os._exit, os.write, _packed
    code = 1
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        faulthandler.disable()  # it would report a crash on the notebook's stderr
        gc.freeze()  # the parent's sockets and files are not ours to close
        nowhere = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nowhere, standard)
        set_limits(limits)
        put_back = remember()
        for arguments in inputs:
            message = pack(one_call(arguments, put_back))
            while message:
                message = message[write(write_end, message) :]
        code = 0
    except BaseException:  # noqa: BLE001  (the parent learns it from the exit code)
        code = 1
    finally:
        leave(code)


# Limits, which are also the mark of the child and all that it starts


def _limits(memory: int) -> dict:
    """Return the limits for one child: `memory` bytes beyond what this process maps, no core.

    Two of them are odd numbers, the same in no two children: by these, processes are found that
    have left the child's group.
    """
    import resource

    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    odd = next(_numbers) % resource.getpagesize()
    wanted = {resource.RLIMIT_AS: mapped + memory + odd, resource.RLIMIT_CORE: 0}
    hard = {which: resource.getrlimit(which)[1] for which in wanted}
    return mark(os.getpid()) | {
        which: (value if hard[which] == resource.RLIM_INFINITY else min(value, hard[which]),
                hard[which]) for which, value in wanted.items()}


def mark(pid: int) -> dict:
    """Return a limit that does no harm (message queues) and tells who began a process: `pid`."""
    import resource

    hard = resource.getrlimit(resource.RLIMIT_MSGQUEUE)[1]
    return {resource.RLIMIT_MSGQUEUE: (pid % 800_000, hard)}


def set_limits(limits: dict) -> None:
    import resource

    for which, pair in limits.items():
        resource.setrlimit(which, pair)


def _end(child: int, limits: dict) -> int:
    """Kill what is left of the child and of what it started, and return its exit status."""
    for kill in (os.killpg, os.kill):
        try:
            kill(child, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
    for _ in range(20):  # again, while somebody forks
        if not kill_marked(limits, child):
            break
    try:
        return os.waitpid(child, 0)[1]
    except ChildProcessError:
        return 0


def kill_marked(limits: dict, child: int) -> int:
    """Kill every process but the child that has exactly these limits; return how many."""
    import resource

    killed = 0
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in (child, os.getpid()):
            continue
        try:
            same = all(resource.prlimit(int(name), which) == pair
                       for which, pair in limits.items())
            if same and b"\nState:\tZ" not in Path(f"/proc/{name}/status").read_bytes():
                os.kill(int(name), signal.SIGKILL)
                killed += 1
        except (OSError, ValueError):  # gone, or not ours
            continue
    return killed


def _ending(status: int) -> Answer:
    """Say how a child ended that did not send all its answers."""
    if os.WIFSIGNALED(status):
        return Answer("crashed", detail=f"signal {os.WTERMSIG(status)}")
    return Answer("exited", detail=f"exit code {os.WEXITSTATUS(status)}")


# Messages: two lengths, JSON, the bytes of all arrays


def _collect(child: int, read_end: int, count: int, deadline: float) -> list:
    """Read `count` answers, or as many as come before the deadline or the child's end."""
    answers = []
    while len(answers) < count:
        try:
            lengths = struct.unpack("<QQ", _read(child, read_end, 16, deadline))
            if sum(lengths) > LARGEST:
                raise ValueError(f"a message of {sum(lengths)} bytes")
            head, arrays = (_read(child, read_end, length, deadline) for length in lengths)
            answers.append(_unpacked(head, arrays))
        except TimeoutError:
            return [*answers, Answer("too slow")]
        except EOFError:
            return answers
        except (ValueError, KeyError, TypeError, IndexError):  # somebody else wrote into the pipe
            return [*answers, Answer("crashed", detail="its answer cannot be read")]
    return answers


def _read(child: int, read_end: int, length: int, deadline: float) -> bytes:
    """Read exactly `length` bytes; TimeoutError after the deadline, EOFError if the child is gone.

    The end of the pipe is not enough to know that: a grandchild may hold it open.
    """
    pieces = []
    while length:
        gone = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        remaining = deadline - time.monotonic()
        ready, _, _ = select.select([read_end], [], [], min(0.1, max(0, remaining)))
        piece = os.read(read_end, min(length, 2**16)) if ready else b""
        if not piece and (ready or gone):
            raise EOFError
        if not piece and remaining <= 0:
            raise TimeoutError
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def _packed(answer: Answer) -> bytes:
    arrays: list[bytes] = []
    fields = {**vars(answer), "value": _encoded(answer.value, arrays)}
    head = json.dumps(fields).encode("utf-8")
    blob = b"".join(arrays)
    return struct.pack("<QQ", len(head), len(blob)) + head + blob


def _unpacked(head: bytes, blob: bytes) -> Answer:
    fields = json.loads(head)
    fields |= {name: tuple(fields[name]) for name in ("changed", "unused")}
    value, _ = _decoded(fields.pop("value"), blob, 0)
    return Answer(value=value, **fields)


def _encoded(value, arrays: list) -> list:
    """Return [kind, ...] for JSON and append the bytes of arrays to `arrays`."""
    if isinstance(value, np.ndarray):
        arrays.append(value.tobytes())
        return ["array", value.dtype.str, list(value.shape)]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [_encoded(item, arrays) for item in value]]
    if isinstance(value, Unshown):
        return ["unshown", value.name, value.dtype, list(value.shape)]
    return ["plain", value]


def _decoded(code: list, blob: bytes, start: int) -> tuple[object, int]:
    """Return (the value that `code` stands for, where the next array starts in `blob`)."""
    kind, *rest = code
    if kind == "array":
        dtype, shape = np.dtype(rest[0]), tuple(rest[1])
        count = math.prod(shape)
        array = np.frombuffer(blob, dtype, count, start).reshape(shape)
        return array, start + count * dtype.itemsize
    if kind in ("list", "tuple"):
        items = []
        for item in rest[0]:
            value, start = _decoded(item, blob, start)
            items.append(value)
        return (items if kind == "list" else tuple(items)), start
    if kind == "unshown":
        return Unshown(rest[0], rest[1], tuple(rest[2])), start
    return rest[0], start
