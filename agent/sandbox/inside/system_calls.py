"""Call the C library, and deny system calls that programs do not need."""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False  # importing `typing` takes longer than all of this takes to run
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    _Instruction = tuple[
        int, int, int, int
    ]  # code, instructions to skip if true and if false, value

CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
OTHER_NAMESPACES = 0x20000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x40000000
"""Mount, cgroup, UTS, IPC and network namespaces."""

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_CAPABILITY_VERSION = 0x20080522

# Denied system calls: (x86-64, ARM64).
_DENIED_CALLS = {
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
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
}
_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_CLONE, _CLONE3, _SOCKET, _KILL = (56, 220), (435, 435), (41, 198), (62, 129)
_IPV4, _IPV6 = 2, 10

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL_PROCESS, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS, _EAFNOSUPPORT = 1, 38, 97
_CALL_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16


def filter_calls(*, is_isolated: bool) -> None:
    """Deny the calls of `_DENIED_CALLS`, and Unix sockets.

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
        prctl(_PR_SET_NO_NEW_PRIVS, 1)
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
    is_namespace = (_ANY_BIT, 0, 1, new_namespaces)
    instructions += _fail_if(_CLONE[index], [is_namespace], _EPERM)
    if is_isolated:
        is_not_ip: list[_Instruction] = [(_EQUAL, 2, 0, _IPV4), (_EQUAL, 1, 0, _IPV6)]
        instructions += _fail_if(_SOCKET[index], is_not_ip, _EAFNOSUPPORT)
    else:
        instructions += _fail_if(_SOCKET[index], [], _EPERM)
        is_group = (_AT_LEAST, 0, 1, 0x80000000)
        instructions += _fail_if(_KILL[index], [is_group], _EPERM)
    return [*instructions, (_RETURN, 0, 0, _ALLOW)]


def _fail_if(number: int, conditions: Sequence[_Instruction], error: int) -> list[_Instruction]:
    """Return the check of a call's first argument.

    The last two instructions fail and allow the call; the conditions jump to one of them.
    """
    body: list[_Instruction] = [(_LOAD, 0, 0, _FIRST_ARGUMENT), *conditions]
    body += [(_RETURN, 0, 0, _FAIL | error), (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(body), number), *body]


def drop_rights() -> None:
    """Give up all capabilities, and the right to gain any."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION, 0)
    call("capset", header, bytes(24))
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def enter_user_namespace() -> bool:
    """Enter a new user namespace; return whether that is allowed."""
    try:
        call("unshare", CLONE_NEWUSER)
    except OSError:
        return False
    return True


def mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    """Mount or remount a file system."""
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    call("mount", *texts[:3], ctypes.c_ulong(flags), texts[3])


def prctl(option: int, value: int, argument: bytes | int = 0) -> None:
    """Change a property of this process."""
    call("prctl", option, value, argument, 0, 0)


def call(name: str, *arguments: Any) -> None:
    """Call a function of the C library.

    Raises:
        OSError: It returned -1.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if name == "pivot_root":  # the C library has no function for it
        index, _ = _ARCHITECTURES[os.uname().machine]
        arguments = (_DENIED_CALLS["pivot_root"][index], *arguments)
        name = "syscall"
    if getattr(library, name)(*arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
