"""Read the metadata of GGUF files, llama.cpp's model format.

Only numbers and strings are read; arrays, such as the vocabulary, are skipped. The specification is in the repository
ggml-org/ggml, docs/gguf.md.
"""

import os
import struct
from io import BufferedReader
from pathlib import Path

Metadata = dict[str, str | int | float | bool]

_MAGIC = b"GGUF"
_NUMBERS = {
    0: "<B",
    1: "<b",
    2: "<H",
    3: "<h",
    4: "<I",
    5: "<i",
    6: "<f",
    7: "<?",
    10: "<Q",
    11: "<q",
    12: "<d",
}
"""Formats of `struct` by the type's number."""
_STRING = 8
_ARRAY = 9
_MAX_STRING_BYTES = 64 * 2**20
"""A longer string is a sign of a damaged file."""


class GgufError(ValueError):
    """A file is not GGUF, or it is damaged; the message follows the file's name."""


def read_metadata(path: Path) -> Metadata:
    """Return the numbers and strings in a file's header.

    Raises:
        GgufError: The file is not GGUF, or its header is damaged.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(4) != _MAGIC:
            raise GgufError("is not a GGUF file")
        try:
            return _read_pairs(file)
        except (struct.error, UnicodeDecodeError):
            raise GgufError("has a damaged or incomplete header") from None


def _read_pairs(file: BufferedReader) -> Metadata:
    version = _read_number(file, "<I")
    if not 2 <= version <= 3:
        raise GgufError(f"has GGUF version {version}; 2 and 3 are supported")
    _read_number(file, "<Q")  # number of tensors
    num_pairs = int(_read_number(file, "<Q"))
    metadata: Metadata = {}
    for _ in range(num_pairs):
        key = _read_string(file)
        value_type = int(_read_number(file, "<I"))
        if value_type in _NUMBERS:
            metadata[key] = _read_number(file, _NUMBERS[value_type])
        elif value_type == _STRING:
            metadata[key] = _read_string(file)
        else:
            _skip_array(file, value_type)
    return metadata


def _skip_array(file: BufferedReader, value_type: int) -> None:
    item_type = int(_read_number(file, "<I"))
    length = int(_read_number(file, "<Q"))
    if value_type != _ARRAY or item_type not in {*_NUMBERS, _STRING}:
        raise GgufError("has a damaged header: a value has an unknown type")
    if item_type in _NUMBERS:
        _skip(file, length * struct.calcsize(_NUMBERS[item_type]))
        return
    for _ in range(length):
        _skip(file, int(_read_number(file, "<Q")))


def _skip(file: BufferedReader, num_bytes: int) -> None:
    if num_bytes > os.fstat(file.fileno()).st_size:
        raise GgufError("has a damaged or incomplete header")
    file.seek(num_bytes, 1)


def _read_number(file: BufferedReader, number_format: str) -> int | float | bool:
    size = struct.calcsize(number_format)
    number: int | float | bool = struct.unpack(number_format, file.read(size))[0]
    return number


def _read_string(file: BufferedReader) -> str:
    length = int(_read_number(file, "<Q"))
    if length > _MAX_STRING_BYTES:
        raise GgufError("has a damaged header: a string is too long")
    content = file.read(length)
    if len(content) < length:
        raise GgufError("has an incomplete header")
    return content.decode()
