"""Convert the tiny model to a transformers Llama and back.

Both forms compute the same logits, so that any library that trains a `LlamaForCausalLM` trains the tiny model, and
`agent.models.tiny` runs the result.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.folder import FolderInfo, write_info
from selfcritic.agent.models.tiny.tokenizer import END, PAD, REPLY
from selfcritic.agent.training.tiny.decoder import Decoder, ModelConfig, export
from selfcritic.agent.training.tiny.fast_tokenizer import build_fast_tokenizer, read_tiny_tokenizer
from selfcritic.agent.training.tiny.weights import load_decoder

_EPSILON = 1e-6
_MAX_POSITIONS = 2048

_COPIED = {
    "attention_norm.weight": "input_layernorm.weight",
    "out_proj.weight": "self_attn.o_proj.weight",
    "ffn_norm.weight": "post_attention_layernorm.weight",
    "down_proj.weight": "mlp.down_proj.weight",
}
_SPLIT = {
    "qkv_proj.weight": (
        "self_attn.q_proj.weight",
        "self_attn.k_proj.weight",
        "self_attn.v_proj.weight",
    ),
    "gate_up_proj.weight": ("mlp.gate_proj.weight", "mlp.up_proj.weight"),
}
"""Matrices of a block that are several ones of a Llama's layer, one below the other."""


def to_llama(model_folder: Path, out: Path) -> Path:
    """Write a tiny model as a `LlamaForCausalLM` with a fast tokenizer; return `out`.

    Args:
        model_folder: An exported model, int8 or float32.
        out: The new folder.

    Raises:
        InputError: `model_folder` has no tiny model.
    """
    decoder, tokenizer, task_names = load_decoder(model_folder)
    model = _create_llama(decoder.config, dict(tokenizer.ids))
    model.load_state_dict(_to_llama_state(decoder), strict=True)
    model.save_pretrained(out)
    fast = build_fast_tokenizer(tokenizer, decoder.config.vocab_size, task_names)
    fast.save_pretrained(out)
    words = tokenizer.suppressed_tokens(frozenset())
    word_ids = [tokenizer.ids[word] for [word] in words]
    write_info(out, FolderInfo(prompts="tiny", prompt_only_tokens=word_ids))
    return out


def from_llama(folder: Path, out: Path, quantization: str | None = "int8") -> Path:
    """Export a folder that `to_llama` wrote, before or after training; return `out`.

    Args:
        folder: A `LlamaForCausalLM` with the tokenizer of `to_llama`.
        out: Folder for `agent.models.tiny`.
        quantization: "int8", or None for float32.

    Raises:
        InputError: `folder` has no model, or one that `to_llama` did not write.
    """
    try:
        model = LlamaForCausalLM.from_pretrained(folder, local_files_only=True)
        fast = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError) as error:
        raise InputError(f"The model in '{folder}' cannot be loaded: {error}") from error
    tokenizer, task_names = read_tiny_tokenizer(fast)
    export(to_decoder(model), tokenizer, task_names, out, quantization)
    return out


def to_decoder(llama: Any) -> Decoder:
    """Return the decoder of a Llama that `to_llama` wrote; a reward model's head is left out."""
    config = llama.config
    size = ModelConfig(
        config.vocab_size,
        config.hidden_size,
        config.num_hidden_layers,
        config.num_attention_heads,
        config.intermediate_size,
    )
    decoder = Decoder(size)
    decoder.load_state_dict(_from_llama_state(llama.state_dict(), size.n_layers))
    return decoder


def _create_llama(config: ModelConfig, ids: dict[str, int]) -> Any:
    llama_config = LlamaConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.d_model,
        intermediate_size=config.d_ff,
        num_hidden_layers=config.n_layers,
        num_attention_heads=config.n_heads,
        num_key_value_heads=config.n_heads,
        max_position_embeddings=_MAX_POSITIONS,
        rms_norm_eps=_EPSILON,
        tie_word_embeddings=True,
        pad_token_id=ids[PAD],
        bos_token_id=ids[REPLY],
        eos_token_id=ids[END],
    )
    return LlamaForCausalLM(llama_config)


def _to_llama_state(decoder: Decoder) -> dict[str, Tensor]:
    source = decoder.state_dict()
    state = {
        "model.embed_tokens.weight": source["embedding.weight"],
        "lm_head.weight": source["embedding.weight"],
        "model.norm.weight": source["norm.weight"],
    }
    for number in range(decoder.config.n_layers):
        block = f"blocks.{number}"
        layer = f"model.layers.{number}"
        for name, target in _COPIED.items():
            state[f"{layer}.{target}"] = source[f"{block}.{name}"]
        for name, targets in _SPLIT.items():
            pieces = source[f"{block}.{name}"].chunk(len(targets))
            for target, piece in zip(targets, pieces, strict=True):
                state[f"{layer}.{target}"] = piece.clone()
    return state


def _from_llama_state(source: dict[str, Tensor], n_layers: int) -> dict[str, Tensor]:
    state = {
        "embedding.weight": source["model.embed_tokens.weight"].float(),
        "norm.weight": source["model.norm.weight"].float(),
    }
    for number in range(n_layers):
        block = f"blocks.{number}"
        layer = f"model.layers.{number}"
        for name, target in _COPIED.items():
            state[f"{block}.{name}"] = source[f"{layer}.{target}"].float()
        for name, targets in _SPLIT.items():
            pieces = [source[f"{layer}.{target}"] for target in targets]
            state[f"{block}.{name}"] = torch.cat(pieces).float()
    return state
