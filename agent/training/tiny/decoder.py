"""The tiny model while it is trained: a Llama-style decoder in torch, and its way into ctranslate2."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from selfcritic.agent.models.tiny.tokenizer import END, REPLY, UNKNOWN, Tokenizer

_EPSILON = 1e-6


@dataclass(frozen=True)
class ModelConfig:
    """The size of a decoder; heads are `width / heads` wide."""

    vocabulary: int
    width: int
    layers: int
    heads: int
    inner: int

    @classmethod
    def named(cls, name: str, vocabulary: int) -> "ModelConfig":
        """One of the sizes that are trained: tiny for tests, then a factor of 10 and more between least and most."""
        width, layers, heads, inner = SHAPES[name]
        return cls(-(-vocabulary // 8) * 8, width, layers, heads, inner)


SHAPES = {"test": (16, 2, 2, 32), "small": (48, 3, 3, 128), "medium": (128, 5, 4, 352), "large": (192, 7, 6, 544)}
"""Width, layers, heads and inner width by name."""


class Block(nn.Module):
    """Attention with rotated positions, then a gated feed-forward; both see their input normed and add to it."""

    def __init__(self, shape: ModelConfig) -> None:
        super().__init__()
        self.heads = shape.heads
        self.before_attention = nn.RMSNorm(shape.width, eps=_EPSILON)
        self.query_key_value = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.attended = nn.Linear(shape.width, shape.width, bias=False)
        self.before_feeding = nn.RMSNorm(shape.width, eps=_EPSILON)
        self.gate_up = nn.Linear(shape.width, 2 * shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor, turn: tuple[Tensor, Tensor], sees: Tensor | None) -> Tensor:
        """Hidden states (batch, length, width) one layer on."""
        batch, length, width = x.shape
        parts = self.query_key_value(self.before_attention(x)).view(batch, length, 3, self.heads, -1)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(
            _rotate(query, *turn), _rotate(key, *turn), value, attn_mask=sees, is_causal=sees is None
        )
        x = x + self.attended(found.transpose(1, 2).reshape(batch, length, width))
        gate, up = self.gate_up(self.before_feeding(x)).chunk(2, dim=-1)
        return x + self.down(functional.silu(gate) * up)


class Decoder(nn.Module):
    """Embedding, blocks, a last norm; the embedding is tied to the output."""

    def __init__(self, shape: ModelConfig) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=_EPSILON)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                deep = name.endswith(("attended.weight", "down.weight"))
                nn.init.normal_(parameter, std=0.02 / ((2 * shape.layers) ** 0.5 if deep else 1))

    def forward(self, ids: Tensor, depths: Tensor | None = None, sees: Tensor | None = None) -> Tensor:
        """Hidden states (batch, length, width) of ids, by place in a text (depths) and by what each token may see."""
        x = self.embedding(ids)
        depths = torch.arange(ids.shape[1], device=ids.device)[None] if depths is None else depths
        turn = _angles(depths, self.shape.width // self.shape.heads)
        for block in self.blocks:
            x = block(x, turn, sees)
        hidden: Tensor = self.norm(x)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """What comes next, (…, vocabulary), after hidden states (…, width)."""
        return functional.linear(hidden, self.embedding.weight)


def _angles(depths: Tensor, size: int) -> tuple[Tensor, Tensor]:
    rates = 1.0 / 10000 ** (torch.arange(0, size, 2, dtype=torch.float32, device=depths.device) / size)
    angles = (depths[..., None] * rates).repeat(1, 1, 2)[:, None]
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    one, other = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-other, one), dim=-1) * sine


def parameters_of(decoder: Decoder) -> int:
    """How many parameters the decoder has."""
    return sum(parameter.numel() for parameter in decoder.parameters())


def export(decoder: Decoder, tokens: Tokenizer, families: list[str], folder: Path, quantization: str | None) -> None:
    """Write the folder that `agent.models.tiny` loads: ctranslate2's files, the vocabulary, what it knows."""
    from ctranslate2.specs import common_spec, transformer_spec

    shape = decoder.shape
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        shape.layers,
        shape.heads,
        activation=common_spec.Activation.SWISH,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
    )
    _fill(spec.decoder, decoder)
    spec.register_vocabulary([*tokens.names, *(f"<spare {at}>" for at in range(shape.vocabulary - len(tokens.names)))])
    spec.config.bos_token, spec.config.eos_token, spec.config.unk_token = REPLY, END, UNKNOWN
    spec.config.layer_norm_epsilon = _EPSILON
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokens.save(folder / "tokens.json")
    (folder / "families.txt").write_text("\n".join(families) + "\n", "utf-8")


def _fill(spec: Any, decoder: Decoder) -> None:
    def numbers(parameter: Tensor) -> Any:
        return parameter.detach().float().cpu().numpy().copy()

    spec.scale_embeddings = False
    spec.embeddings.weight = numbers(decoder.embedding.weight)
    spec.projection.weight = numbers(decoder.embedding.weight)
    spec.layer_norm.gamma = numbers(decoder.norm.weight)
    for layer, block in zip(spec.layer, decoder.blocks, strict=True):
        gate, up = block.gate_up.weight.chunk(2)
        layer.self_attention.layer_norm.gamma = numbers(block.before_attention.weight)
        layer.self_attention.linear[0].weight = numbers(block.query_key_value.weight)
        layer.self_attention.linear[1].weight = numbers(block.attended.weight)
        layer.ffn.layer_norm.gamma = numbers(block.before_feeding.weight)
        layer.ffn.linear_0.weight = numbers(gate)
        layer.ffn.linear_0_noact.weight = numbers(up)
        layer.ffn.linear_1.weight = numbers(block.down.weight)
