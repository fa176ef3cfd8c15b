"""Llama-style decoder of the tiny model in torch, and its ctranslate2 export."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from selfcritic.agent.models.tiny.engine import TASK_NAMES_FILE, VOCABULARY_FILE
from selfcritic.agent.models.tiny.tokenizer import END, REPLY, UNKNOWN, Tokenizer
from selfcritic.agent.training.tiny.sizes import DECODER_SIZES

EPSILON = 1e-6


@dataclass(frozen=True)
class ModelConfig:
    """The dimensions of a decoder; each head has `d_model / n_heads` dimensions."""

    vocab_size: int
    d_model: int
    n_layers: int
    n_heads: int
    d_ff: int

    @classmethod
    def from_name(cls, name: str, num_tokens: int) -> Self:
        """Return a named size; the vocabulary is padded to a multiple of 8."""
        vocab_size = -(-num_tokens // 8) * 8
        return cls(vocab_size, *DECODER_SIZES[name])


class Block(nn.Module):
    """Attention with rotary positions, then a gated feed-forward layer; both pre-norm and residual."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        d_model, d_ff = config.d_model, config.d_ff
        self.n_heads = config.n_heads
        self.attention_norm = nn.RMSNorm(d_model, eps=EPSILON)
        self.qkv_proj = nn.Linear(d_model, 3 * d_model, bias=False)
        self.out_proj = nn.Linear(d_model, d_model, bias=False)
        self.ffn_norm = nn.RMSNorm(d_model, eps=EPSILON)
        self.gate_up_proj = nn.Linear(d_model, 2 * d_ff, bias=False)
        self.down_proj = nn.Linear(d_ff, d_model, bias=False)

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor], attention_mask: Tensor | None
    ) -> Tensor:
        """Apply the layer to hidden states (batch, length, d_model).

        Without a mask, attention is causal.
        """
        x = x + self._attend(self.attention_norm(x), rotary, attention_mask)
        gate, up = self.gate_up_proj(self.ffn_norm(x)).chunk(2, dim=-1)
        return x + self.down_proj(functional.silu(gate) * up)

    def _attend(
        self, x: Tensor, rotary: tuple[Tensor, Tensor], attention_mask: Tensor | None
    ) -> Tensor:
        batch, length, d_model = x.shape
        qkv = self.qkv_proj(x).view(batch, length, 3, self.n_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(
            rotate(query, *rotary),
            rotate(key, *rotary),
            value,
            attn_mask=attention_mask,
            is_causal=attention_mask is None,
        )
        merged = attended.transpose(1, 2).reshape(batch, length, d_model)
        projected: Tensor = self.out_proj(merged)
        return projected


class Decoder(nn.Module):
    """Embedding, blocks and a final norm; the output weights are the embedding's."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding = nn.Embedding(config.vocab_size, config.d_model)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layers))
        self.norm = nn.RMSNorm(config.d_model, eps=EPSILON)
        self._init_weights()

    def _init_weights(self) -> None:
        """Draw normal weights; those added to the residual stream shrink with depth."""
        residual_std = 0.02 / (2 * self.config.n_layers) ** 0.5
        for name, parameter in self.named_parameters():
            if parameter.dim() != 2:
                continue
            is_residual = name.endswith(("out_proj.weight", "down_proj.weight"))
            nn.init.normal_(parameter, std=residual_std if is_residual else 0.02)

    def forward(
        self, ids: Tensor, positions: Tensor | None = None, attention_mask: Tensor | None = None
    ) -> Tensor:
        """Compute hidden states (batch, length, d_model) of ids (batch, length).

        Args:
            ids: Token ids.
            positions: (batch, length), for the rotary embedding; default 0, 1, 2…
            attention_mask: (batch, 1, length, length), True where a token may attend; default causal.
        """
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)[None]
        rotary = rotary_embedding(positions, self.config.d_model // self.config.n_heads)
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, rotary, attention_mask)
        hidden: Tensor = self.norm(x)
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """Compute next-token logits (…, vocab_size) from hidden states (…, d_model)."""
        return functional.linear(hidden, self.embedding.weight)


def rotary_embedding(positions: Tensor, head_size: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines (batch, 1, length, head_size)."""
    exponents = (
        torch.arange(0, head_size, 2, dtype=torch.float32, device=positions.device) / head_size
    )
    frequencies = 1.0 / 10000**exponents
    angles = positions[..., None] * frequencies
    angles = angles.repeat(1, 1, 2)[:, None]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Rotate pairs of dimensions by the angles of their positions."""
    first, second = x.chunk(2, dim=-1)
    return x * cosine + torch.cat((-second, first), dim=-1) * sine


def export(
    decoder: Decoder,
    tokenizer: Tokenizer,
    task_names: list[str],
    folder: Path,
    quantization: str | None,
) -> None:
    """Write a model folder for `agent.models.tiny`.

    It contains the ctranslate2 model, the vocabulary and the task names.
    """
    from ctranslate2.specs import common_spec, transformer_spec

    config = decoder.config
    spec = transformer_spec.TransformerDecoderModelSpec.from_config(
        config.n_layers,
        config.n_heads,
        activation=common_spec.Activation.SWISH,
        ffn_glu=True,
        rms_norm=True,
        rotary_dim=0,
        rotary_interleave=False,
    )
    _copy_weights(spec.decoder, decoder)
    num_spare = config.vocab_size - len(tokenizer.names)
    spec.register_vocabulary(
        [*tokenizer.names, *(f"<spare {index}>" for index in range(num_spare))]
    )
    spec.config.bos_token = REPLY
    spec.config.eos_token = END
    spec.config.unk_token = UNKNOWN
    spec.config.layer_norm_epsilon = EPSILON
    spec.validate()
    spec.optimize(quantization=quantization)
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))
    tokenizer.save(folder / VOCABULARY_FILE)
    (folder / TASK_NAMES_FILE).write_text("\n".join(task_names) + "\n", "utf-8")


def _copy_weights(spec: Any, decoder: Decoder) -> None:
    spec.scale_embeddings = False
    spec.embeddings.weight = _to_numpy(decoder.embedding.weight)
    spec.projection.weight = _to_numpy(decoder.embedding.weight)
    spec.layer_norm.gamma = _to_numpy(decoder.norm.weight)
    for layer, block in zip(spec.layer, decoder.blocks, strict=True):
        gate, up = block.gate_up_proj.weight.chunk(2)
        layer.self_attention.layer_norm.gamma = _to_numpy(block.attention_norm.weight)
        layer.self_attention.linear[0].weight = _to_numpy(block.qkv_proj.weight)
        layer.self_attention.linear[1].weight = _to_numpy(block.out_proj.weight)
        layer.ffn.layer_norm.gamma = _to_numpy(block.ffn_norm.weight)
        layer.ffn.linear_0.weight = _to_numpy(gate)
        layer.ffn.linear_0_noact.weight = _to_numpy(up)
        layer.ffn.linear_1.weight = _to_numpy(block.down_proj.weight)


def _to_numpy(parameter: Tensor) -> Any:
    return parameter.detach().float().cpu().numpy().copy()
