"""Critique texts, comments and hypothesis strategies for the tests of the critic."""

from hypothesis import settings
from hypothesis import strategies as st

from selfcritic.agent.schemas import Comment

CRITIQUE = """\
Here is what I found.

```python
    return total / len(values) + 1
```
[high] Adds one to the mean.

It should be `total / len(values)`.

```
for value in values:
    total += value
```
[low] `sum(values)` does the same.

These issues must be addressed before the code is used.
"""

MEGABYTE = 1_000_000

reproducible = settings(derandomize=True, deadline=None)

_MARKUP = ("```", "~~~~", "`", "````", "```x```", "[high]", "[LOW]", "one", "two", "python", "😀")
_WHITE_SPACE = ("\n", "\n", "\n", "\n\n", "\r\n", " ", "   ", "\t", "\r", "\0", "\x1f", "\u2028")
MARKUP_TEXTS = st.lists(st.sampled_from(_MARKUP + _WHITE_SPACE), max_size=30).map("".join)
ANY_TEXT = st.one_of(
    MARKUP_TEXTS,
    st.text(),
    st.binary().map(lambda raw: raw.decode("latin-1")),
    st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.binary().map(lambda raw: raw.decode("utf-8", "replace")),
)


def comment(quote: str, text: str = "wrong", **fields: object) -> Comment:
    """Build a comment without offsets."""
    return Comment.model_validate({"quote": quote, "text": text, **fields})
