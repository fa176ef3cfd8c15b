"""Attack the sandbox in many ways, and report which attacks succeed.

    python sandbox_attacks.py KIND

KIND is unshare-root, unshare, bubblewrap or none. The first argument of an attack's program, `host`, describes what the
host offers: addresses of servers and paths of files. A program prints ESCAPED if it succeeds; effects on the host are
observed here. Only the package `selfcritic.agent.sandbox` is needed.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from selfcritic.agent.sandbox import isolation, run

SECONDS = 3.0
ENDLESS_SECONDS = 1.0
"""Time limit of the attacks in ENDLESS, which need only to start."""
SECRET = "canary-5f1c"  # noqa: S105 - not a password

PRELUDE = """
import ctypes, os, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
host = {host!r}
def escaped(*what): print("ESCAPED", *what, flush=True)
def syscall(*arguments):
    result = libc.syscall(*arguments)
    return result
"""

# Read: something of the host becomes visible.
READ = {
    "file of the host": "if host['secret'] in open(host['file']).read(): escaped()",
    "/etc/passwd": "escaped(open('/etc/passwd').read(10))",
    "folder of temporary files": "if os.path.basename(host['folder']) in os.listdir('/tmp'): escaped()",
    "home": "for p in ('/root', '/home'):\n  for n in os.listdir(p):\n    if n not in host['ours']: escaped(n)",
    "/var and /run": "for p in ('/var', '/run'):\n  if os.path.exists(p) and os.listdir(p): escaped(p)",
    "/sys": "if os.path.exists('/sys/kernel') or os.path.exists('/sys/fs/cgroup'): escaped()",
    "environment of the host": "if b'=' in open(f'/proc/{host[\"pid\"]}/environ', 'rb').read(): escaped()",
    "all environments": """
import glob
for path in glob.glob('/proc/*/environ'):
    try:
        if host['secret'].encode() in open(path, 'rb').read(): escaped(path)
    except OSError: pass
""",
    "root of the host's process": "if os.listdir(f'/proc/{host[\"pid\"]}/root'): escaped()",
    "list of processes": "if str(host['victim']) in os.listdir('/proc'): escaped()",
    "memory of the parent": """
result = syscall(310, os.getppid(), ctypes.create_string_buffer(16), 1, ctypes.create_string_buffer(16), 1, 0)
if result >= 0: escaped()
""",
    "ptrace": "if libc.ptrace(16, host['victim'], 0, 0) == 0 or libc.ptrace(16, os.getppid(), 0, 0) == 0: escaped()",
    "inherited descriptor": "os.fstat(host['descriptor']); escaped()",
    "session keyring": "if syscall(250, 0, -3, 0) > 0: escaped()",
    "new key": "if syscall(248, b'user', b'x', b'y', 1, -3) > 0: escaped()",
    "kernel log": "if libc.klogctl(3, ctypes.create_string_buffer(99), 99) > 0: escaped()",
    "own program and stdin": "if host['secret'].encode() in os.pread(0, 10**6, 0)[200_000:]: escaped()",
}

# Reach: another process gets a message or a signal.
REACH = {
    "Unix socket": "s = socket.socket(socket.AF_UNIX); s.connect(host['socket']); s.send(b'x')",
    "abstract socket": "s = socket.socket(socket.AF_UNIX); s.connect('\\0' + host['abstract']); s.send(b'x')",
    "datagram to a Unix socket": "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', host['datagram'])",
    "datagram from a pair": "socket.socketpair(1, socket.SOCK_DGRAM)[0].sendto(b'x', host['datagram'])",
    "named pipe": "fd = os.open(host['pipe'], os.O_WRONLY | os.O_NONBLOCK); os.write(fd, b'x')",
    "TCP on this machine": "s = socket.create_connection(('127.0.0.1', host['port']), 1); s.send(b'x')",
    "TCP over IPv6": "s = socket.create_connection(('::1', host['port']), 1); s.send(b'x')",
    "network": "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x', ('192.0.2.1', 9)); escaped()",
    "netlink": "s = socket.socket(16, socket.SOCK_RAW, 0); escaped()",
    "virtual machine socket": "s = socket.socket(40, socket.SOCK_STREAM); escaped()",
    "packet socket": "s = socket.socket(17, socket.SOCK_RAW, 0); escaped()",
    "kernel crypto socket": "s = socket.socket(38, 5, 0); escaped()",
    "signal to the host": "os.kill(host['victim'], 9)",
    "signal to all": "os.kill(-1, 9)",
    "signal to the parent": "os.kill(os.getppid(), 9); time.sleep(0.5)",
    "stopped parent": "os.kill(os.getppid(), 19); time.sleep(60)",
}

# Rights: the program gets more than it had.
RIGHTS = {
    "user namespace": "if libc.unshare(0x10000000) == 0: escaped()",
    "user namespace by clone": "if syscall(56, 0x10000000 | 17, 0, 0, 0, 0) >= 0: escaped()",
    "user namespace by clone3": "if syscall(435, (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17), 88) >= 0: escaped()",
    "namespace of the host": "if libc.setns(os.open('/proc/1/ns/net', 0), 0) == 0: escaped()",
    "remounted root": "if libc.mount(b'none', b'/', None, 32 | 4096, None) == 0: escaped()",
    "chroot": "os.chroot('.'); escaped()",
    "user root": "os.setuid(0); escaped() if host['user'] else None",
    "set-user-id program": """
import glob
for path in ('/usr/bin/su', '/usr/bin/mount', '/usr/bin/passwd'):
    if os.path.exists(path) and 'NoNewPrivs:\\t0' in open('/proc/self/status').read(): escaped(path)
""",
    "capabilities": """
for line in open('/proc/self/status'):
    if line.startswith('CapEff') and int(line.split()[1], 16): escaped(line)
""",
    "limits": "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (10**6, 10**6)); escaped()",
    "device": "os.mknod('d', 0o20600, os.makedev(1, 1)); open('d', 'rb').read(1); escaped()",
    "kernel parameter": "open('/proc/sys/vm/overcommit_memory', 'w').write('1'); escaped()",
    "asynchronous calls": "if syscall(425, 8, ctypes.create_string_buffer(200)) >= 0: escaped()",
    "kernel programs": "if syscall(321, 0, ctypes.create_string_buffer(200), 72) >= 0: escaped()",
    "userfaultfd": "if syscall(323, 1) >= 0: escaped()",
    "32-bit calls": "if syscall(0x40000000 | 39) > 0: escaped()",
}

# Write: something outside changes.
WRITE = {
    "file of the host": "open(host['folder'] + '/written', 'w').write('x')",
    "/usr": "open('/usr/written', 'w'); escaped()",
    "library of the interpreter": "open(os.__file__, 'a'); escaped()",
    "/dev": "open('/dev/written', 'w'); escaped()",
    "root folder": "os.mkdir('/written'); escaped()",
    "removal": "os.unlink(host['file'])",
    "link in the working folder": "os.symlink(host['folder'], 'link'); os.mkdir('d'); os.chmod('d', 0)",
    "link, then removal": """
os.symlink(host['folder'], 'link')
for name in os.listdir('link'): os.unlink('link/' + name)
""",
}

# Resources: more is used than allowed, or the host waits longer than the limit.
RESOURCES = {
    "shared memory in many processes": """
import mmap
for _ in range(12):
    if os.fork() == 0:
        m = mmap.mmap(-1, 300 << 20)
        for o in range(0, 300 << 20, 4096): m[o] = 1
        time.sleep(20)
time.sleep(20)
escaped()
""",
    "private memory in many processes": """
for _ in range(12):
    if os.fork() == 0:
        kept = b'x' * (300 << 20)
        time.sleep(20)
time.sleep(20)
escaped()
""",
    "memory after the first thread": """
import threading
def fill():
    time.sleep(0.2)
    kept = b'x' * (300 << 20)
    time.sleep(20)
for _ in range(12):
    if os.fork() == 0:
        threading.Thread(target=fill).start()
        syscall(60, 0)
time.sleep(20)
escaped()
""",
    "shared memory that is not mapped": """
import mmap
for _ in range(40):
    m = mmap.mmap(-1, 50 << 20)
    m.write(bytes(50 << 20))
    m.madvise(mmap.MADV_DONTNEED)
    if os.fork() == 0: time.sleep(20)
time.sleep(20)
escaped()
""",
    "unread data in sockets": """
for _ in range(60):
    if os.fork() == 0:
        kept = []
        for _ in range(58):
            pair = socket.socketpair()
            for end in pair:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 30)
                end.setblocking(False)
                try:
                    while True: end.send(b'x' * 100_000)
                except OSError: pass
            kept.append(pair[0])
        time.sleep(20)
time.sleep(20)
escaped()
""",
    "page tables": """
libc.mmap.restype = ctypes.c_void_p
base = 0x1000_0000_0000
for _ in range(10):
    if os.fork() == 0:
        for n in range(30_000):
            ctypes.string_at(libc.mmap(ctypes.c_void_p(base + (n << 30)), 4096, 1, 0x32, -1, 0), 1)
        time.sleep(20)
time.sleep(20)
escaped()
""",
    "watches of files": "import select; select.epoll(); escaped()",
    "large pipe": "import fcntl; fcntl.fcntl(os.pipe()[1], 1031, 1 << 20); escaped()",
    "full /dev/shm": """
for n in range(100): open(f'/dev/shm/{n}', 'wb').write(bytes(900_000))
for n in range(100): os.unlink(f'/dev/shm/{n}')
escaped()
""",
    "full /tmp": "for n in range(100): open(f'/tmp/selfcritic-x{n}', 'wb').write(bytes(900_000))\nescaped()",
    "many files": "for n in range(20_000): open(f'f{n}', 'w').close()\nescaped()",
    "large file": "open('f', 'wb').write(bytes(5_000_000)); escaped()",
    "memory without a process": "fd = os.memfd_create('x'); escaped()",
    "System V memory": "if libc.shmget(0, 100 << 20, 0o1600) >= 0: escaped()",
    "message queue": "if libc.msgget(0, 0o1600) >= 0: escaped()",
    "processes": """
n = 0
try:
    while n < 300:
        if os.fork() == 0: time.sleep(30); os._exit(0)
        n += 1
except OSError: pass
if n > 100: escaped(n)
os._exit(0)
""",
    "threads": """
import threading
n = 0
try:
    while n < 300: threading.Thread(target=time.sleep, args=(30,), daemon=True).start(); n += 1
except RuntimeError: pass
if n > 100: escaped(n)
os._exit(0)
""",
    "open files": "n = [os.open('/dev/null', 0) for _ in range(500)]; escaped()",
    "endless loop": "while True: pass",
    "ignored signals": """
import signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
time.sleep(60)
""",
    "new session": "if os.fork() == 0:\n  os.setsid(); time.sleep(60)\nos._exit(0)",
    "time bomb": """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(1.0)
        open(host['folder'] + '/bomb', 'w').write('x')
    os._exit(0)
os._exit(0)
""",
    "stdout replaced by a pipe": "os.unlink('../stdout'); os.mkfifo('../stdout')",
    "closed streams": "os.close(0); os.close(1); os.close(2); time.sleep(60)",
    "flood of output": "while True: os.write(1, b'x' * 100_000)",
    "stopped process": "os.kill(os.getpid(), 19)",
}
ENDLESS = {
    "stopped parent",
    "endless loop",
    "ignored signals",
    "closed streams",
    "stopped process",
}
"""Attacks that last until they are killed."""
GROUPS = {"read": READ, "reach": REACH, "rights": RIGHTS, "write": WRITE, "resources": RESOURCES}


class Host:
    """What the attacks are after."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received: list[str] = []
        folder.chmod(0o777)
        (folder / "file").write_text(SECRET)
        (folder / "file").chmod(0o666)
        os.mkfifo(folder / "pipe")
        (folder / "pipe").chmod(0o666)
        self._pipe = os.open(folder / "pipe", os.O_RDONLY | os.O_NONBLOCK)
        self._servers = [self._listen(str(folder / "socket")), self._listen("\0" + folder.name)]
        self._datagrams = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._datagrams.bind(str(folder / "datagram"))
        self._datagrams.setblocking(False)
        for name in ("socket", "datagram"):
            (folder / name).chmod(0o777)
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._tcp.setblocking(False)
        self._leaked = os.open(folder / "file", os.O_RDONLY)
        os.set_inheritable(self._leaked, True)
        self.victim = subprocess.Popen(["/bin/sleep", "600"], start_new_session=True)

    @staticmethod
    def _listen(address: str) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.bind(address)
        server.listen()
        server.setblocking(False)
        return server

    def describe(self) -> dict[str, Any]:
        """Return what a program needs to know."""
        base = Path(sys.base_prefix).parts
        return {
            "abstract": self.folder.name,
            "datagram": str(self.folder / "datagram"),
            "descriptor": self._leaked,
            "file": str(self.folder / "file"),
            "folder": str(self.folder),
            "ours": list(base) + list(Path(sys.prefix).parts),
            "pid": os.getpid(),
            "pipe": str(self.folder / "pipe"),
            "port": self._tcp.getsockname()[1],
            "secret": SECRET,
            "socket": str(self.folder / "socket"),
            "user": os.geteuid(),
            "victim": self.victim.pid,
        }

    def damage(self) -> list[str]:
        """Return what an attack has changed or reached."""
        effects = []
        for server in [*self._servers, self._tcp]:
            with contextlib.suppress(BlockingIOError):
                server.accept()[0].close()
                effects.append("connected")
        with contextlib.suppress(BlockingIOError):
            self._datagrams.recv(9)
            effects.append("datagram")
        with contextlib.suppress(BlockingIOError):
            if os.read(self._pipe, 9):
                effects.append("pipe")
        if self.victim.poll() is not None:
            effects.append("killed another process")
        names = {path.name for path in self.folder.iterdir()}
        if names != {"file", "pipe", "socket", "datagram"}:
            effects.append(f"files: {sorted(names)}")
        return effects

    def close(self) -> None:
        """End what was started."""
        self.victim.kill()
        self.victim.wait()
        for server in [*self._servers, self._datagrams, self._tcp]:
            server.close()
        os.close(self._pipe)
        os.close(self._leaked)


def launch_of(kind: str) -> isolation.Launch | None:
    """Return how to start programs, or None if that does not work here."""
    for launch in [*isolation._launches(), isolation.Launch("none")]:
        name = launch.isolation + ("-root" if launch.is_root else "")
        if name == kind:
            return launch if kind == "none" or isolation._can_start(launch) else None
    return None


def attack_all(kind: str) -> Iterator[tuple[str, str]]:
    """Yield the name of each attack and its success, or an empty text."""
    launch = launch_of(kind)
    if launch is None:
        raise SystemExit(f"{kind} does not work here")
    run.strongest_launch = lambda: launch  # type: ignore[assignment]
    for group, programs in GROUPS.items():
        for title, program in programs.items():
            # Without isolation, the parent is this process.
            if kind != "none" or "getppid" not in program:
                seconds = ENDLESS_SECONDS if title in ENDLESS else SECONDS
                yield f"{group}: {title}", _attack(program, seconds)


def _attack(program: str, limit: float) -> str:
    with tempfile.TemporaryDirectory(dir="/var/tmp", ignore_cleanup_errors=True) as name:
        host = Host(Path(name))
        try:
            return _attack_host(host, program, limit)
        finally:
            host.close()


def _attack_host(host: Host, program: str, limit: float) -> str:
    peak = _PeakMemory()
    start = time.monotonic()
    result: list[run.SandboxResult] = []
    source = PRELUDE.format(host=host.describe()) + program

    def call() -> None:
        result.append(run.run_python(source, stdin="x" * 10, seconds=limit))

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(limit + 20)
    seconds = time.monotonic() - start
    used_mb = peak.stop()
    time.sleep(1.2 if "bomb" in program else 0)
    effects = host.damage()
    if not result:
        return "the host hangs"
    effects += [line for line in result[0].stdout[:10_000].splitlines() if "ESCAPED" in line][:1]
    if seconds > limit + 10:
        effects.append(f"took {seconds:.0f} s")
    if used_mb > 1600:
        effects.append(f"{used_mb} MB")
    return "; ".join(effects)


class _PeakMemory:
    """Measures by how much the machine's used memory grows."""

    def __init__(self) -> None:
        self._start = self._available_mb()
        self._lowest = self._start
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._measure)
        self._thread.start()

    @staticmethod
    def _available_mb() -> int:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) // 1024
        return 0

    def _measure(self) -> None:
        while not self._is_over.wait(0.02):
            self._lowest = min(self._lowest, self._available_mb())

    def stop(self) -> int:
        """Return the growth in MB."""
        self._is_over.set()
        self._thread.join()
        return self._start - self._lowest


if __name__ == "__main__":
    for title, success in attack_all(sys.argv[1]):
        sys.stdout.write(json.dumps([title, success]) + "\n")
        sys.stdout.flush()
