"""Find the example comments in critique prompts."""

import functools
from string import Template

from selfcritic.agent.critic.format import parse
from selfcritic.agent.schemas import Comment
from selfcritic.prompts import VARIABLES, PromptSet


def prompt_examples(prompt_set: PromptSet) -> tuple[Comment, ...]:
    """Return the comments of the example in a set's critique prompts."""
    comments: list[Comment] = []
    for name in ("critique", "continue"):
        comments.extend(_examples(prompt_set.templates[name], prompt_set.cues[name]))
    return tuple(comments)


@functools.lru_cache(maxsize=64)
def _examples(template: Template, cue: str) -> tuple[Comment, ...]:
    """Parse a template without its data and its cue."""
    text = template.template.rstrip().removesuffix(cue)
    for variable in VARIABLES["continue"]:
        text = text.replace(f"${variable}", "").replace(f"${{{variable}}}", "")
    examples = []
    for comment in parse(text.replace("$$", "$")).comments:
        # Instructions may follow the example.
        first_paragraph = comment.text.partition("\n\n")[0]
        examples.append(comment.model_copy(update={"text": first_paragraph}))
    return tuple(examples)
