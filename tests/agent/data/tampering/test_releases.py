"""Natural bugs from two releases of a package."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from selfcritic.agent.data.tampering.natural import FixRejected, build_natural
from selfcritic.agent.data.tampering.plan import PlanOptions
from selfcritic.agent.data.tampering.releases import load_releases, read_release
from selfcritic.agent.errors import InputError

OLD = "def double(x):\n    return x + x + 1\n"
NEW = "def double(x):\n    return x + x\n"
OTHER = "VERSION = 1\n"
TESTS = "from pack.double import double\n\n\ndef test_double():\n    assert double(2) == 4\n"


def write_wheel(path: Path, code: str, other: str = OTHER) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("pack/__init__.py", "")
        archive.writestr("pack/double.py", code)
        archive.writestr("pack/other.py", other)
        archive.writestr("../outside.py", "x = 1\n")
    return path


def write_archive(path: Path, code: str, tests: str) -> Path:
    files = {"pack/__init__.py": "", "pack/double.py": code, "tests/test_double.py": tests}
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(f"pack-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.mark.slow
def test_each_changed_file_of_two_wheels_is_tested_alone(tmp_path: Path):
    tests = tmp_path / "test_double.py"
    tests.write_text(TESTS)
    old = write_wheel(tmp_path / "pack-1.0.whl", OLD)
    new = write_wheel(tmp_path / "pack-1.1.whl", NEW, "VERSION = 2\n")
    double, other = load_releases(old, new, tests)
    [record, *_] = build_natural(double, PlanOptions(clean_share=0.0), seconds=60)
    assert (record.id, record.task) == (
        "pack-1.0.whl..pack-1.1.whl:pack/double.py",
        "pack/pack/double.py",
    )
    assert record.bugs is not None
    assert record.bugs[0].quote == "return x + x + 1"
    assert record.bugs[0].description == "It should be:\n    return x + x"
    with pytest.raises(FixRejected, match="pass before"):
        build_natural(other, PlanOptions(), seconds=60)


def test_a_source_archive_has_its_own_tests(tmp_path: Path):
    old = write_archive(tmp_path / "pack-1.0.tar.gz", OLD, "")
    new = write_archive(tmp_path / "pack-1.1.tar.gz", NEW, TESTS)
    assert set(read_release(old)) == {"pack/__init__.py", "pack/double.py", "tests/test_double.py"}
    [fix] = load_releases(old, new, None)
    assert fix.changed == ("pack/double.py",)
    assert fix.after["tests/test_double.py"].decode() == TESTS


def test_reads_folders_without_hidden_files(tmp_path: Path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.py").write_text("")
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    assert read_release(tmp_path) == {"a.py": b"x = 1\n"}


def test_never_reads_paths_outside_of_an_archive(tmp_path: Path):
    assert "../outside.py" not in read_release(write_wheel(tmp_path / "pack.whl", OLD))


def test_explains_what_cannot_be_read(tmp_path: Path):
    text = tmp_path / "pack.txt"
    text.write_text("x")
    broken = tmp_path / "pack.whl"
    broken.write_text("x")
    same = write_wheel(tmp_path / "same.whl", OLD)
    for old, message in (
        (text, "is not a release"),
        (broken, "cannot be read"),
        (same, "No Python file differs"),
    ):
        with pytest.raises(InputError, match=message):
            load_releases(old, same, None)
    with pytest.raises(InputError, match=r"\(--tests\) cannot be read"):
        load_releases(same, same, tmp_path / "none.py")
