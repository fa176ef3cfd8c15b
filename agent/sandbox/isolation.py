"""Choose the strongest isolation that works on this machine."""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

Isolation = Literal["bubblewrap", "unshare", "none"]

# The resolved interpreter starts faster than the link or copy in a virtual environment.
PYTHON_COMMAND = (str(Path(sys.executable).resolve()), "-I", "-S", "-X", "utf8", "-c")
"""Start of a command that runs a Python program given as text."""

# $0 is a directory below /tmp to keep visible, or not a path.
# The shell remains as process 1 of the pid namespace: all others end with it, and they cannot stop it.
_MOUNT_SCRIPT = r"""
set -e
mount -t tmpfs none /sys
case "$0" in /*) mkdir /sys/kept; mount --bind "$0" /sys/kept ;; esac
mount -t tmpfs -o size=16m none /tmp
case "$0" in /*) mkdir -p "$0"; mount --bind /sys/kept "$0"; umount /sys/kept ;; esac
mount -o remount,ro /sys
done=" "
while read -r _ place _ options _; do
    case "$place" in "$0") ;; /proc | /proc/* | /sys | /sys/* | /dev | /dev/pts | /tmp | /tmp/*) continue ;; esac
    case "$done,$options," in *" $place "* | *,ro,*) continue ;; esac
    done="$done$place "
    case "$place" in *\\*) place=$(printf %b "$place") ;; esac
    mount -o "remount,bind,$options,ro" "$place"
done < /proc/self/mounts
mkdir -m 777 /tmp/selfcritic-draft
cd /tmp/selfcritic-draft
"$@" || exit $?
"""
_UNSHARE = (
    "--net",
    "--ipc",
    "--pid",
    "--mount-proc",
    "--fork",
    "--kill-child",
    "sh",
    "-c",
    _MOUNT_SCRIPT,
)
_DROP_PRIVILEGES = ("setpriv", "--no-new-privs")
_AS_NOBODY = ("--reuid=65534", "--regid=65534", "--clear-groups")
_BUBBLEWRAP = """--unshare-all --die-with-parent --cap-drop ALL --ro-bind / / --dev /dev --proc /proc --tmpfs /sys
    --tmpfs /tmp --dir /tmp/selfcritic-draft --chdir /tmp/selfcritic-draft"""


@functools.cache
def strongest_isolation() -> tuple[Isolation, tuple[str, ...]]:
    """Return the first isolation that works and its command prefix.

    Returns "none" and an empty prefix if no tool works.
    """
    for isolation, (tool, *options) in _isolation_commands():
        path = shutil.which(tool)  # the program's environment has no PATH
        if path is None:
            continue
        prefix = (path, *options)
        if _can_start_python(prefix):
            return isolation, prefix
    return "none", ()


def _can_start_python(prefix: tuple[str, ...]) -> bool:
    # An interpreter that cannot read its own library uses another one if it finds it.
    program = f"import sys, resource; sys.exit(sys.prefix != {sys.base_prefix!r})"
    command = [*prefix, *PYTHON_COMMAND, program]
    process = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, env={}, check=False
    )
    return process.returncode == 0


def _isolation_commands() -> Iterator[tuple[Isolation, tuple[str, ...]]]:
    """Yield each kind of isolation and its command prefix, best first."""
    # A virtual environment below /tmp stays visible: programs import its packages.
    kept_dir = sys.prefix if Path(sys.prefix).is_relative_to("/tmp") else ""  # noqa: S108 - not a file of ours
    unshare = (*_UNSHARE, kept_dir or "sh", *_DROP_PRIVILEGES)
    if os.geteuid() == 0:
        # Runs as nobody, because root can fork without limit.
        # The second attempt may read all files, for an interpreter that only root can read.
        for rights in ("-all", "-all,+dac_read_search"):
            capabilities = (
                f"--bounding-set={rights}",
                f"--inh-caps={rights}",
                f"--ambient-caps={rights}",
            )
            yield "unshare", ("unshare", *unshare, *_AS_NOBODY, *capabilities)
    kept_mount = ("--ro-bind", kept_dir, kept_dir) if kept_dir else ()
    yield "bubblewrap", ("bwrap", *_BUBBLEWRAP.split(), *kept_mount)
    as_root_of_namespace = ("--user", "--map-root-user")
    yield (
        "unshare",
        ("unshare", *as_root_of_namespace, *unshare, "--bounding-set=-all", "--inh-caps=-all"),
    )
