"""Read two releases of a package, and what changed between them."""

import io
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from selfcritic.agent.data.tampering.natural import Fix
from selfcritic.agent.data.tampering.trees import MAX_FILE_BYTES, is_source_file
from selfcritic.agent.errors import InputError

_MAX_FILES = 20_000


def load_releases(old: Path, new: Path, tests: Path | None) -> list[Fix]:
    """Return the changed files of a package as fixes, with the tests of the new release.

    `tests` is a file of tests for releases that contain none, such as wheels.

    Raises:
        InputError: A release or the tests cannot be read, or no file differs.
    """
    before = read_release(old)
    after = read_release(new)
    chosen: tuple[str, ...] = ()
    if tests is not None:
        try:
            after[tests.name] = tests.read_bytes()
        except OSError as error:
            raise InputError(f"{tests} (--tests) cannot be read: {error.strerror}.") from None
        chosen = (tests.name,)
    fixes = []
    for path in sorted(before.keys() & after.keys()):
        if is_source_file(path) and before[path] != after[path]:
            fixes.append(
                Fix(
                    id=f"{old.name}..{new.name}",
                    package=PurePosixPath(path).parts[0],
                    before=before,
                    after=after,
                    changed=(path,),
                    description="",
                    tests=chosen,
                )
            )
    if not fixes:
        raise InputError(
            f"No Python file differs between '{old}' and '{new}'. Pass other releases."
        )
    return fixes


def read_release(path: Path) -> dict[str, bytes]:
    """Return the files of a folder, a wheel or a source archive; nothing is unpacked to the disk.

    Raises:
        InputError: It is another kind of file, or is broken.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.suffix in (".whl", ".zip"):
            return _strip_folder(_read_zip(path))
        if path.name.endswith((".tar.gz", ".tgz")):
            return _strip_folder(_read_tar(path))
    except (OSError, zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise InputError(f"The release '{path}' cannot be read: {error}.") from None
    raise InputError(
        f"'{path}' is not a release: pass a folder, a wheel (.whl) or a source archive (.tar.gz)."
    )


def _read_folder(folder: Path) -> dict[str, bytes]:
    files = {}
    for path in sorted(folder.rglob("*"))[:_MAX_FILES]:
        is_hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not is_hidden:
            files[path.relative_to(folder).as_posix()] = path.read_bytes()
    return files


def _read_zip(path: Path) -> dict[str, bytes]:
    files = {}
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist()[:_MAX_FILES]:
            if not info.is_dir() and info.file_size <= MAX_FILE_BYTES and _is_inside(info.filename):
                files[info.filename] = archive.read(info)
    return files


def _read_tar(path: Path) -> dict[str, bytes]:
    files = {}
    with tarfile.open(fileobj=io.BytesIO(path.read_bytes())) as archive:
        for info in archive.getmembers()[:_MAX_FILES]:
            if info.isfile() and info.size <= MAX_FILE_BYTES and _is_inside(info.name):
                file = archive.extractfile(info)
                files[info.name] = file.read() if file is not None else b""
    return files


def _is_inside(name: str) -> bool:
    """Return whether a name stays inside the folder that it is written to."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _strip_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    """Remove the folder of a source archive, such as `package-1.0/`."""
    roots = {PurePosixPath(name).parts[0] for name in files}
    if len(roots) != 1 or not any("-" in root for root in roots):
        return files
    [root] = roots
    return {name.removeprefix(f"{root}/"): data for name, data in files.items()}
