"""Train several decoders of one size together, on the same batches.

A small decoder does not fill a GPU. So the weights of decoders that differ by seed are stacked, and each operation
computes all of them. Their attention heads share one mask. The result is that of `Decoder`, decoder by decoder.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from selfcritic.agent.training.tiny.decoder import (
    EPSILON,
    Decoder,
    ModelConfig,
    rotary_embedding,
    rotate,
)
from selfcritic.agent.training.tiny.muon import StackedMuon
from selfcritic.agent.training.tiny.packing import Batch
from selfcritic.agent.training.tiny.trees import EncodedExample, PrefixTree, pack

_MAX_GRADIENT_NORM = 1.0
_FIRST_VOCABULARY = 8
_FIRST_SHAPES = ((5, 41), (7, 57))  # unlike other sizes, which compiled code may take as equal
_MAX_COMPILED = 64  # one for each size, more if a length equals a size
_MATRICES = ("qkv_proj", "out_proj", "gate_up_proj", "down_proj")
_NORMS = ("attention_norm", "ffn_norm")


class Ensemble(nn.Module):
    """Decoders with stacked weights; the first dimension of each weight counts them."""

    def __init__(
        self,
        config: ModelConfig,
        seeds: Sequence[int],
        device: torch.device,
        compile_blocks: bool = True,
    ) -> None:
        super().__init__()
        self.config = config
        self.seeds = list(seeds)
        decoders = []
        for seed in seeds:
            torch.manual_seed(seed)
            decoders.append(Decoder(config))
        self.embedding = _stack([decoder.embedding.weight for decoder in decoders])
        self.norm = _stack([decoder.norm.weight for decoder in decoders])
        self.blocks = nn.ModuleList()
        for layer in range(config.n_layers):
            blocks = [decoder.blocks[layer] for decoder in decoders]
            weights = {
                name: _stack([getattr(block, name).weight for block in blocks])
                for name in (*_MATRICES, *_NORMS)
            }
            self.blocks.append(nn.ParameterDict(weights))
        self.to(device)
        self.device = device
        self._block = _block
        if device.type == "cuda" and compile_blocks:
            torch._dynamo.config.recompile_limit = _MAX_COMPILED
            self._block = torch.compile(_block, dynamic=True)
        self.optimizers = self._make_optimizers()

    @property
    def num_parameters(self) -> int:
        """Count the weights of one decoder."""
        num_weights = sum(parameter.numel() for parameter in self.parameters())
        return int(num_weights // len(self.seeds))

    def _make_optimizers(self) -> list[torch.optim.Optimizer]:
        """Use Muon for the block matrices, AdamW for embedding and norms."""
        matrices = [block[name] for block in self.blocks for name in _MATRICES]
        norms = [block[name] for block in self.blocks for name in _NORMS]
        others = [self.embedding, *norms, self.norm]
        return [
            StackedMuon(matrices),
            torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=0.0),
        ]

    def forward(self, ids: Tensor, positions: Tensor, attention_mask: Tensor) -> Tensor:
        """Compute hidden states (decoders, batch, length, d_model) of ids (batch, length)."""
        config = self.config
        cosine, sine = rotary_embedding(positions, config.d_model // config.n_heads)
        stacked = self.embedding.transpose(0, 1).flatten(1)  # (vocab_size, decoders * d_model)
        x = functional.embedding(ids, stacked).unflatten(-1, (len(self.seeds), -1))
        x = x.permute(2, 0, 1, 3).contiguous()  # another layout would be compiled apart
        for block in self.blocks:
            x = self._block(x, dict(block.items()), cosine, sine, attention_mask, config.n_heads)
        return _rms_norm(x, self.norm)

    def logits(self, hidden: Tensor) -> Tensor:
        """Compute logits (decoders, targets, vocab_size) from hidden states."""
        return torch.bmm(hidden, self.embedding.transpose(1, 2))

    def step(self, batch: Batch, learning_rate: float) -> Tensor:
        """Update the weights; return each decoder's mean loss per reply token."""
        is_cuda = self.device.type == "cuda"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=is_cuda):
            hidden = self(batch.ids, batch.positions, batch.attention_mask)
            logits = self.logits(hidden.flatten(1, 2).index_select(1, batch.target_index))
        logits = logits.float().masked_fill(batch.suppressed, -math.inf)
        targets = batch.targets.expand(len(self.seeds), -1)
        losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        weighted = losses.view_as(targets) * batch.weights
        loss = weighted.sum(1) / batch.weights.sum()
        loss.sum().backward()
        self._clip_gradients()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate
            optimizer.step()
            optimizer.zero_grad()
        return loss.detach()

    def _clip_gradients(self) -> None:
        """Limit the norm of each decoder's gradients."""
        gradients = [parameter.grad for parameter in self.parameters()]
        norms = torch.stack([gradient.flatten(1).norm(dim=1) for gradient in gradients])
        scale = (_MAX_GRADIENT_NORM / (norms.norm(dim=0) + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(scale.view(-1, *[1] * (gradient.dim() - 1)))

    def extract(self, index: int) -> Decoder:
        """Copy one decoder to the CPU."""
        decoder = Decoder(self.config)
        weights = {
            "embedding.weight": self.embedding[index],
            "norm.weight": self.norm[index],
        }
        for layer, block in enumerate(self.blocks):
            for name, weight in block.items():
                weights[f"blocks.{layer}.{name}.weight"] = weight[index]
        decoder.load_state_dict({name: weight.detach().cpu() for name, weight in weights.items()})
        return decoder

    def checkpoint(self) -> dict[str, Any]:
        """Return weights and optimizer states."""
        return {
            "weights": self.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def restore(self, checkpoint: dict[str, Any]) -> None:
        """Load what `checkpoint` returned."""
        self.load_state_dict(checkpoint["weights"])
        for optimizer, state in zip(self.optimizers, checkpoint["optimizers"], strict=True):
            optimizer.load_state_dict(state)


def take_first_steps(size: str, seeds: Sequence[int], device: torch.device) -> Tensor:
    """Train throw-away decoders for two steps of different shapes; return the last losses.

    On a GPU, this compiles the blocks for all later ensembles of this size.
    """
    ensemble = Ensemble(ModelConfig.from_name(size, _FIRST_VOCABULARY), seeds, device)
    is_word = torch.zeros(ensemble.config.vocab_size, dtype=torch.bool, device=device)
    losses = torch.empty(0)
    for num_trees, length in _FIRST_SHAPES:
        ids = [1 + index % (_FIRST_VOCABULARY - 1) for index in range(length)]
        tree = PrefixTree.from_examples([EncodedExample(ids, 2, 1.0)])
        batch = Batch.from_packed(pack([tree] * num_trees, pad=0), is_word)
        losses = ensemble.step(batch, 1e-3)
    return losses


def _stack(weights: Sequence[Tensor]) -> nn.Parameter:
    return nn.Parameter(torch.stack([weight.detach() for weight in weights]))


def _rms_norm(x: Tensor, weight: Tensor) -> Tensor:
    normed = functional.rms_norm(x, (x.shape[-1],), eps=EPSILON)
    return normed * weight[:, None, None]


def _linear(x: Tensor, weight: Tensor) -> Tensor:
    """Apply each decoder's matrix (out, in) to its hidden states."""
    num_decoders, batch, length, size = x.shape
    output = torch.bmm(x.reshape(num_decoders, batch * length, size), weight.transpose(1, 2))
    return output.view(num_decoders, batch, length, -1)


def _block(
    x: Tensor,
    weights: dict[str, Tensor],
    cosine: Tensor,
    sine: Tensor,
    attention_mask: Tensor,
    num_heads: int,
) -> Tensor:
    """Apply a layer to hidden states (decoders, batch, length, d_model)."""
    num_decoders, batch, length, d_model = x.shape
    qkv = _linear(_rms_norm(x, weights["attention_norm"]), weights["qkv_proj"])
    qkv = qkv.view(num_decoders, batch, length, 3, num_heads, -1)
    # (3, batch, decoders * heads, length, head size): all heads share the mask.
    query, key, value = qkv.permute(3, 1, 0, 4, 2, 5).flatten(2, 3)
    attended = functional.scaled_dot_product_attention(
        rotate(query, cosine, sine).to(value.dtype),
        rotate(key, cosine, sine).to(value.dtype),
        value,
        attn_mask=attention_mask,
    )
    merged = attended.unflatten(1, (num_decoders, num_heads)).permute(1, 0, 3, 2, 4)
    x = x + _linear(merged.reshape(num_decoders, batch, length, d_model), weights["out_proj"])
    gate_up = _linear(_rms_norm(x, weights["ffn_norm"]), weights["gate_up_proj"])
    gate, up = gate_up.chunk(2, dim=-1)
    return x + _linear(functional.silu(gate) * up, weights["down_proj"])
