"""Listening sockets of one port that several processes share (SO_REUSEPORT): find, steer, test.

The kernel gives each new connection to one of them. A small program tells it to which, so that a
process that is about to end gets none any more and finishes those it has: nobody is refused and
nothing waits in a queue that is thrown away. Linux only; elsewhere nothing is steered.
"""

import contextlib
import ctypes
import os
import socket
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

# <asm-generic/socket.h>; not in the socket module.
_SO_ATTACH_REUSEPORT_CBPF: Final = 51
_SO_DETACH_REUSEPORT_BPF: Final = 68
# <linux/bpf_common.h> and <linux/filter.h>: classic BPF.
_LOAD_WORD: Final = 0x20
_RANDOM: Final = 0xFFFFF000 + 56
_MODULO: Final = 0x94
_ADD: Final = 0x04
_RETURN_ACCUMULATOR: Final = 0x16

_KEEP_ALIVE: Final = (
    ("TCP_KEEPIDLE", 30),
    ("TCP_KEEPINTVL", 10),
    ("TCP_KEEPCNT", 3),
)


class _Instruction(ctypes.Structure):
    """`struct sock_filter`."""

    _fields_ = (
        ("code", ctypes.c_uint16),
        ("jump_true", ctypes.c_uint8),
        ("jump_false", ctypes.c_uint8),
        ("operand", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(_Instruction)))


def find_listener(port: int) -> socket.socket | None:
    """Return a duplicate of this process's socket that listens on `port`; close it after use.

    None when there is none, or no way to tell.
    """
    for number in _descriptors():
        copy = _duplicate(number)
        if copy is None:
            continue
        if _listens_on(copy, port):
            return copy
        copy.close()
    return None


def keep_alive(listener: socket.socket) -> None:
    """Have the kernel ask silent clients for a sign of life; who has vanished is found in a minute.

    Accepted connections inherit this from the listening socket.
    """
    with contextlib.suppress(OSError):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in _KEEP_ALIVE:
            if hasattr(socket, name):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def steer(listener: socket.socket, first: int, count: int) -> bool:
    """Give new connections to `count` of the sockets that share the port, from the `first` on.

    They are numbered in the order in which they began to listen; when one closes, the last takes
    its number. A number that none has leaves the choice to the kernel. Return False when the
    system cannot be told.
    """
    return _attach(
        listener,
        (
            _Instruction(_LOAD_WORD, 0, 0, _RANDOM),
            _Instruction(_MODULO, 0, 0, count),
            _Instruction(_ADD, 0, 0, first),
            _Instruction(_RETURN_ACCUMULATOR, 0, 0, 0),
        ),
    )


def let_go(listener: socket.socket) -> bool:
    """Leave the choice to the kernel again."""
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_REUSEPORT_BPF, 0)
    except OSError:
        return False
    return True


def _attach(listener: socket.socket, instructions: Sequence[_Instruction]) -> bool:
    if sys.platform != "linux":
        return False
    code = (_Instruction * len(instructions))(*instructions)
    program = _Program(len(instructions), code)
    try:
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_REUSEPORT_CBPF, bytes(program))
    except OSError:
        return False
    return True


def _descriptors() -> list[int]:
    try:
        return [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    except OSError:
        return []


def _duplicate(number: int) -> socket.socket | None:
    """Return a duplicate of a descriptor that is a socket, None for all others."""
    try:
        if not stat.S_ISSOCK(os.fstat(number).st_mode):
            return None
        return socket.socket(fileno=os.dup(number))
    except OSError:
        return None


def _listens_on(candidate: socket.socket, port: int) -> bool:
    try:
        if candidate.family not in (socket.AF_INET, socket.AF_INET6):
            return False
        listens = candidate.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        return bool(listens) and candidate.getsockname()[1] == port
    except OSError:
        return False
