"""Attacks on the sandbox, as root and as a user, with each isolation."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import sandbox_attacks

ROOT = Path(__file__).parents[3]
NOBODY = 65534
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux isolates programs"),
]

# What a user's program can do without isolation, and what is prevented even there.
DAMAGE_WITHOUT_ISOLATION = {
    "read: file of the host",
    "read: list of processes",
    "reach: named pipe",
    "reach: signal to the host",
    "write: file of the host",
}
PREVENTED_WITHOUT_ISOLATION = {
    "reach: Unix socket",
    "reach: abstract socket",
    "reach: datagram from a pair",
    "reach: TCP on this machine",
    "reach: network",
    "reach: signal to all",
    "rights: user namespace",
    "resources: stdout replaced by a pipe",
    "resources: shared memory in many processes",
    "resources: shared memory that is not mapped",
    "resources: memory after the first thread",
    "resources: unread data in sockets",
    "resources: watches of files",
    "resources: large pipe",
    "resources: closed streams",
}


def system_python() -> str | None:
    """Return an interpreter that all users can run and that is new enough."""
    path = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if path is None:
        return None
    version = "import sys; sys.exit(sys.version_info < (3, 11))"
    is_new = subprocess.run([path, "-c", version], check=False).returncode == 0
    return path if is_new else None


@pytest.fixture(scope="module")
def package() -> Iterator[Path]:
    """Copy the sandbox to a folder that all users can read, without the rest of the project."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        folder = Path(name)
        parent = folder / "selfcritic" / "agent"
        shutil.copytree(ROOT / "agent" / "sandbox", parent / "sandbox")
        for package in (parent.parent, parent):
            (package / "__init__.py").touch()
        shutil.copy(sandbox_attacks.__file__, folder)
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)
        yield folder


def attack(package: Path, kind: str, *, as_user: bool) -> dict[str, str]:
    """Return the success of each attack; empty if it was prevented."""
    command = [sys.executable]
    if as_user and os.geteuid() == 0:
        python = system_python()
        if python is None or shutil.which("setpriv") is None:
            pytest.skip("needs setpriv and a Python 3.11 that other users can run")
        command = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", python]
    process = subprocess.run(
        [*command, str(package / "sandbox_attacks.py"), kind],
        capture_output=True,
        text=True,
        cwd="/",
        env={
            "PYTHONPATH": str(package),
            "PATH": os.environ["PATH"],
            "X": sandbox_attacks.SECRET,
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        check=False,
    )
    if "does not work here" in process.stderr:
        pytest.skip(process.stderr.strip())
    assert process.returncode == 0, process.stderr
    results = dict(json.loads(line) for line in process.stdout.splitlines())
    assert len(results) > 70
    return results


# Bubblewrap has no option for the number of files.
DAMAGE_WITH_ISOLATION = {"bubblewrap": {"resources: many files"}}


@pytest.mark.parametrize(
    ("kind", "as_user"),
    [("unshare-root", False), ("bubblewrap", True), ("unshare", True)],
)
def test_no_attack_succeeds_with_isolation(package: Path, kind: str, as_user: bool):
    if not as_user and os.geteuid() != 0:
        pytest.skip("needs root")
    results = attack(package, kind, as_user=as_user)
    successful = {name for name, success in results.items() if success}
    assert successful <= DAMAGE_WITH_ISOLATION.get(kind, set())


def test_attacks_without_isolation(package: Path):
    results = attack(package, "none", as_user=True)
    successful = {name for name, success in results.items() if success}
    assert successful >= DAMAGE_WITHOUT_ISOLATION
    assert successful.isdisjoint(PREVENTED_WITHOUT_ISOLATION)
