"""Sizes of decoders."""

from typing import NamedTuple


class DecoderSize(NamedTuple):
    """The dimensions of a decoder, without its vocabulary."""

    d_model: int
    n_layers: int
    n_heads: int
    d_ff: int


DECODER_SIZES = {
    "test": DecoderSize(16, 2, 2, 32),
    "small": DecoderSize(48, 3, 3, 128),
    "medium": DecoderSize(128, 5, 4, 352),
    "large": DecoderSize(192, 7, 6, 544),
    "xlarge": DecoderSize(320, 8, 10, 880),
    "xxlarge": DecoderSize(512, 9, 8, 1408),
}
"""Sizes by name. Apart from `test`, they have 0.11, 1.06, 3.32, 10.2 and 29.2 million parameters."""
