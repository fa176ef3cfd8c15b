"""Read the weights of an exported tiny model back into torch.

An int8 weight is stored with one scale per row; `weight / scale` is its exact float32 value.
"""

import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy
import torch

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.tiny.engine import TASK_NAMES_FILE, VOCABULARY_FILE, WEIGHTS_FILE
from selfcritic.agent.models.tiny.tokenizer import Tokenizer
from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig

_BINARY_VERSION = 6
_TYPES = (numpy.float32, numpy.int8, numpy.int16, numpy.int32, numpy.float16)
_EMBEDDING = "decoder/embeddings/weight"
_SCALE = "_scale"
_LAYER_WEIGHTS = {
    "attention_norm.weight": "self_attention/layer_norm/gamma",
    "qkv_proj.weight": "self_attention/linear_0/weight",
    "out_proj.weight": "self_attention/linear_1/weight",
    "ffn_norm.weight": "ffn/layer_norm/gamma",
    "down_proj.weight": "ffn/linear_1/weight",
}
_GATE = "ffn/linear_0/weight"
_UP = "ffn/linear_0_noact/weight"

Arrays = dict[str, Any]
"""Arrays by variable name."""


class LoadedModel(NamedTuple):
    """A tiny model in torch with what its export needs."""

    decoder: Decoder
    tokenizer: Tokenizer
    task_names: list[str]


def load_decoder(folder: Path) -> LoadedModel:
    """Load an exported model folder; int8 weights become float32.

    Raises:
        InputError: a file is missing, or the weights have another format.
    """
    tokenizer = Tokenizer.load(folder / VOCABULARY_FILE)
    try:
        task_names = (folder / TASK_NAMES_FILE).read_text("utf-8").split()
        payload = (folder / WEIGHTS_FILE).read_bytes()
    except OSError as error:
        raise InputError(
            f"The tiny model '{folder}' cannot be read: {error}. "
            "Create one with `selfcritic train tiny`."
        ) from error
    try:
        arrays = _read_arrays(payload)
        decoder = _build_decoder(arrays)
    except (KeyError, ValueError, IndexError, struct.error) as error:
        raise InputError(
            f"'{folder / WEIGHTS_FILE}' has no weights of a tiny model ({error}): export it again."
        ) from error
    return LoadedModel(decoder, tokenizer, task_names)


def _build_decoder(arrays: Arrays) -> Decoder:
    """Create a decoder of the weights' dimensions, and fill it."""
    vocab_size, d_model = arrays[_EMBEDDING].shape
    num_layers = 0
    while f"decoder/layer_{num_layers}/{_GATE}" in arrays:
        num_layers += 1
    d_ff = len(arrays[f"decoder/layer_0/{_GATE}"])
    num_heads = int(arrays["decoder/num_heads"])
    decoder = Decoder(ModelConfig(vocab_size, d_model, num_layers, num_heads, d_ff))
    state = {
        "embedding.weight": _dequantize(arrays, _EMBEDDING),
        "norm.weight": _dequantize(arrays, "decoder/layer_norm/gamma"),
    }
    for number in range(num_layers):
        layer = f"decoder/layer_{number}"
        for name, source in _LAYER_WEIGHTS.items():
            state[f"blocks.{number}.{name}"] = _dequantize(arrays, f"{layer}/{source}")
        gate = _dequantize(arrays, f"{layer}/{_GATE}")
        up = _dequantize(arrays, f"{layer}/{_UP}")
        state[f"blocks.{number}.gate_up_proj.weight"] = numpy.concatenate((gate, up))
    decoder.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()})
    return decoder


def _dequantize(arrays: Arrays, name: str) -> Any:
    array = arrays[name].astype(numpy.float32)
    scale = arrays.get(name + _SCALE)
    if scale is None:
        return array
    return array / scale[:, None]


class _BinaryReader:
    """Reads little-endian values one after another."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._offset = 0

    def number(self, code: str) -> int:
        """Read an integer of a struct type code."""
        [value] = struct.unpack_from(f"<{code}", self._payload, self._offset)
        self._offset += struct.calcsize(code)
        return int(value)

    def text(self) -> str:
        """Read a string, which ends in a null byte."""
        length = self.number("H")
        return self.raw(length)[:-1].decode("utf-8")

    def raw(self, length: int) -> bytes:
        """Read bytes; raises ValueError at the end of the file."""
        end = self._offset + length
        if end > len(self._payload):
            raise ValueError("the file is cut off")
        piece = self._payload[self._offset : end]
        self._offset = end
        return piece


def _read_arrays(payload: bytes) -> Arrays:
    """Parse the variables of a ctranslate2 `model.bin`."""
    reader = _BinaryReader(payload)
    version = reader.number("I")
    if version != _BINARY_VERSION:
        raise ValueError(f"format version {version}, not {_BINARY_VERSION}")
    reader.text()  # name of the architecture
    reader.number("I")  # its revision
    arrays: Arrays = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        rank = reader.number("B")
        shape = [reader.number("I") for _ in range(rank)]
        dtype = _TYPES[reader.number("B")]
        raw = reader.raw(reader.number("I"))
        arrays[name] = numpy.frombuffer(raw, dtype).reshape(shape)
    for _ in range(reader.number("I")):
        alias = reader.text()
        _add_alias(arrays, alias, reader.text())
    return arrays


def _add_alias(arrays: Arrays, alias: str, target: str) -> None:
    """Add a variable that equals another one, with its scale."""
    arrays[alias] = arrays[target]
    if target + _SCALE in arrays:
        arrays[alias + _SCALE] = arrays[target + _SCALE]
