"""Filter system calls: deny those that programs do not need.

The filter also bounds the kernel's memory, which no limit of a process includes: socket and pipe buffers keep their
default size, and anonymous memory cannot be shared, since it would stay when no process has it mapped. The watcher
counts what remains.
"""

from __future__ import annotations

import ctypes
import os
import struct

from selfcritic.agent.sandbox.inside.system_calls import (
    CLONE_NEWPID,
    CLONE_NEWUSER,
    OTHER_NAMESPACES,
    PIVOT_ROOT,
    PR_SET_NO_NEW_PRIVS,
    prctl,
)

TYPE_CHECKING = False  # importing `typing` takes longer than all of this takes to run
if TYPE_CHECKING:
    from collections.abc import Sequence

    _Instruction = tuple[
        int, int, int, int
    ]  # code, instructions to skip if true and if false, value
    _Condition = tuple[int, int, str, int]  # argument & mask, "==" or "!=", value

_PR_SET_SECCOMP = 22

# Denied system calls: (x86-64, ARM64).
_DENIED_CALLS = {
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (PIVOT_ROOT["x86_64"], PIVOT_ROOT["aarch64"]),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # keyrings
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # large parts of the kernel that programs do not need
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "fanotify_init": (300, 262),
    "landlock_create_ruleset": (444, 444),
    "io_setup": (206, 0),
    "syslog": (103, 116),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    # memory that belongs to no process
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # references to memory that its process has freed
    "vmsplice": (278, 75),
    "splice": (275, 76),
    "tee": (276, 77),
    "sendfile": (40, 71),
    # any number of watches for each open file; `asyncio` then uses `poll`
    "epoll_create": (213, 20),
    "epoll_create1": (291, 20),
    "inotify_init": (253, 26),
    "inotify_init1": (294, 26),
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE, _CLONE3, _KILL = (56, 220), (435, 435), (62, 129)
_MMAP, _FCNTL = (9, 222), (72, 25)
_SOCKET, _SOCKETPAIR, _CONNECT, _SETSOCKOPT = (41, 198), (53, 199), (42, 203), (54, 208)
_SENDTO, _SENDMSG, _SENDMMSG = (44, 206), (46, 211), (307, 269)

_UNIX, _IPV4, _IPV6 = 1, 2, 10
_STREAM, _TYPE_MASK = 1, 0xF
_SOL_SOCKET, _BUFFER_SIZES = 1, (7, 8, 32, 33)
_MSG_FASTOPEN = 0x20000000
_SHARED_ANONYMOUS = 0x01 | 0x20
_F_SETPIPE_SZ = 1031
_ALL_BITS = 0xFFFFFFFF

_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_ALLOW, _KILL_PROCESS, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_SUCCESS, _EPERM, _ENOSYS, _EAFNOSUPPORT, _ENETUNREACH = 0, 1, 38, 97, 101
_CALL_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16


def filter_calls(*, is_isolated: bool) -> None:
    """Deny the calls of `_DENIED_CALLS`, and others with some arguments.

    Without isolation, no socket can be created, and no signal can be sent to a group of processes. There the filter is
    optional: it is omitted where the system does not support it.

    Raises:
        OSError: The system does not support the filter.
    """
    machine = os.uname().machine
    if machine not in _ARCHITECTURES:
        if is_isolated:
            raise OSError(f"there is no filter for system calls of {machine}")
        return
    instructions = _filter_instructions(*_ARCHITECTURES[machine], is_isolated)
    packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in instructions)
    buffer = ctypes.create_string_buffer(packed, len(packed))
    program = struct.pack("@HP", len(instructions), ctypes.addressof(buffer))
    try:
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(_PR_SET_SECCOMP, 2, program)
    except OSError:
        if is_isolated:
            raise


def _filter_instructions(index: int, architecture: int, is_isolated: bool) -> list[_Instruction]:
    instructions: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _CALL_NUMBER),
        (_AT_LEAST, 0, 1, 0x40000000),  # another form of the same calls
        (_RETURN, 0, 0, _FAIL | _ENOSYS),
        (_EQUAL, 0, 1, _CLONE3[index]),  # its flags are in memory; the C library then uses clone
        (_RETURN, 0, 0, _FAIL | _ENOSYS),
    ]
    for numbers in _DENIED_CALLS.values():
        instructions += [(_EQUAL, 0, 1, numbers[index]), (_RETURN, 0, 0, _FAIL | _EPERM)]
    new_namespaces = CLONE_NEWUSER | CLONE_NEWPID | OTHER_NAMESPACES
    instructions += _fail_if(_CLONE[index], [(0, new_namespaces, "!=", 0)], _EPERM)
    if not is_isolated:
        instructions += _fail_if(_SOCKET[index], [], _EPERM)
        is_group: _Condition = (0, 0x80000000, "!=", 0)
        instructions += _fail_if(_KILL[index], [is_group], _EPERM)
    instructions += _filter_sockets(index)
    is_shared: _Condition = (3, _SHARED_ANONYMOUS, "==", _SHARED_ANONYMOUS)
    instructions += _fail_if(_MMAP[index], [is_shared], _EPERM)
    instructions += _fail_if(_FCNTL[index], [(1, _ALL_BITS, "==", _F_SETPIPE_SZ)], _EPERM)
    return [*instructions, (_RETURN, 0, 0, _ALLOW)]


def _filter_sockets(index: int) -> list[_Instruction]:
    """Return the checks of sockets: IP sockets without a connection, and pairs of streams.

    A pair of datagram sockets could send to any Unix socket.
    """
    is_not_ip: list[_Condition] = [(0, _ALL_BITS, "!=", _IPV4), (0, _ALL_BITS, "!=", _IPV6)]
    instructions = _fail_if(_SOCKET[index], is_not_ip, _EAFNOSUPPORT)
    instructions += _fail_if(_SOCKETPAIR[index], [(0, _ALL_BITS, "!=", _UNIX)], _EPERM)
    instructions += _fail_if(_SOCKETPAIR[index], [(1, _TYPE_MASK, "!=", _STREAM)], _EPERM)
    # Bubblewrap enables the loopback device, where TCP connections would have large buffers.
    instructions += _fail_if(_CONNECT[index], [], _ENETUNREACH)
    for numbers, argument in ((_SENDTO, 3), (_SENDMSG, 2), (_SENDMMSG, 3)):
        connects: _Condition = (argument, _MSG_FASTOPEN, "!=", 0)
        instructions += _fail_if(numbers[index], [connects], _ENETUNREACH)
    # The system also limits sizes without an error.
    for option in _BUFFER_SIZES:
        is_size: list[_Condition] = [
            (1, _ALL_BITS, "==", _SOL_SOCKET),
            (2, _ALL_BITS, "==", option),
        ]
        instructions += _fail_if(_SETSOCKOPT[index], is_size, _SUCCESS)
    return instructions


def _fail_if(number: int, conditions: Sequence[_Condition], error: int) -> list[_Instruction]:
    """Return instructions that fail a call if all conditions on its arguments hold."""
    body: list[_Instruction] = [(_RETURN, 0, 0, _FAIL | error)]
    for argument, mask, operator, value in reversed(conditions):
        skipped = (0, len(body))
        if operator == "!=":
            skipped = (len(body), 0)
        place = _FIRST_ARGUMENT + 8 * argument
        body = [(_LOAD, 0, 0, place), (_AND, 0, 0, mask), (_EQUAL, *skipped, value), *body]
    return [(_LOAD, 0, 0, _CALL_NUMBER), (_EQUAL, 0, len(body), number), *body]
