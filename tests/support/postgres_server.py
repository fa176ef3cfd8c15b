"""Run a PostgreSQL server for a test, if its programs are installed."""

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import pytest


class PostgresServer:
    """Server on a free port of 127.0.0.1; skips the test if it cannot run."""

    def __enter__(self) -> Self:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        su = shutil.which("su")
        if not programs or os.getuid() != 0 or su is None:
            pytest.skip("needs PostgreSQL's initdb, and root to become the user postgres")
        self._su = su
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(tempfile.TemporaryDirectory())
        shutil.chown(self._folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.address = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._control = programs[-1].parent / "pg_ctl"
        self._as_postgres(f"{programs[-1]} -D {self._folder}/data -A trust -U postgres --no-sync")
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop(check=False)
        self._stack.close()

    def start(self) -> None:
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 "
            f"-c unix_socket_directories={self._folder} -c fsync=off"
        )
        self._as_postgres(
            f"{self._control} -D {self._folder}/data -o '{options}' -l {self._folder}/log -w start"
        )

    def stop(self, *, check: bool = True) -> None:
        self._as_postgres(f"{self._control} -D {self._folder}/data -m immediate -w stop", check)

    def _as_postgres(self, command: str, check: bool = True) -> None:
        arguments = [self._su, "postgres", "-c", command]
        subprocess.run(
            arguments,
            check=check,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
