"""Write small GGUF files."""

import struct
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path

ALIGNMENT = 32


def string(text: str) -> bytes:
    content = text.encode()
    return struct.pack("<Q", len(content)) + content


def pair(key: str, value: str | int | float | list[str] | list[int]) -> bytes:
    """Encode a key and its value."""
    if isinstance(value, str):
        return string(key) + struct.pack("<I", 8) + string(value)
    if isinstance(value, int):
        return string(key) + struct.pack("<IQ", 10, value)
    if isinstance(value, float):
        return string(key) + struct.pack("<If", 6, value)
    header = string(key) + struct.pack("<I", 9)
    if value and isinstance(value[0], str):
        items = b"".join(string(str(item)) for item in value)
        return header + struct.pack("<IQ", 8, len(value)) + items
    return header + struct.pack("<IQ", 4, len(value)) + array("I", map(int, value)).tobytes()


def gguf(
    metadata: Mapping[str, str | int | float | list[str] | list[int]],
    tensors: Mapping[str, tuple[tuple[int, ...], Sequence[float]]] | None = None,
) -> bytes:
    """Encode a file; a tensor is its sizes, the innermost first, and its 32-bit floats."""
    tensors = tensors or {}
    content = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        content += pair(key, value)
    offset = 0
    for name, (sizes, values) in tensors.items():
        content += string(name) + struct.pack(f"<I{len(sizes)}Q", len(sizes), *sizes)
        content += struct.pack("<IQ", 0, offset)
        offset += padded(4 * len(values))
    content = content.ljust(padded(len(content)), b"\0")
    for _, values in tensors.values():
        content += array("f", values).tobytes().ljust(padded(4 * len(values)), b"\0")
    return content


def padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def write_adapter(path: Path, strength: float = 0.06) -> Path:
    """Write a LoRA adapter of rank 1 for one matrix of SmolLM2-135M."""
    metadata = {
        "general.type": "adapter",
        "general.architecture": "llama",
        "adapter.type": "lora",
        "adapter.lora.alpha": 1.0,
    }
    row = [strength * (1 + index % 3) for index in range(576)]
    tensors = {
        "blk.0.attn_v.weight.lora_a": ((576, 1), row),
        "blk.0.attn_v.weight.lora_b": ((1, 192), row[:192]),
    }
    path.write_bytes(gguf(metadata, tensors))
    return path
