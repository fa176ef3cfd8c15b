"""Convert prompts and replies to token ids, the same way in training and in use.

A prompt is the chat template's text up to the start of the reply. A reply is tokenized apart from it, and ends with the
end token if it is complete.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, SystemMessage

from selfcritic.agent.errors import InputError
from selfcritic.agent.models.hugging_face.folder import FolderInfo
from selfcritic.prompts import OPTIONAL, VARIABLES, PromptName, load, parse_prompt

ChatMessage = dict[str, str]
_ROLES = {"system": "system", "human": "user", "ai": "assistant"}
FENCE = "```"


class Chat:
    """A tokenizer with the prompts that its model was trained on."""

    def __init__(self, tokenizer: Any, info: FolderInfo) -> None:
        self.tokenizer = tokenizer
        self.info = info

    def messages(self, prompt_name: PromptName, **data: str) -> list[ChatMessage]:
        """Render a prompt of the model's prompt set as chat messages."""
        rendered = load(self.info.prompts).render(prompt_name, "question", **data)
        return [to_chat_message(message) for message in rendered]

    def prompt_ids(self, messages: Sequence[Mapping[str, str]], prefix: str = "") -> list[int]:
        """Return the tokens before the reply, and those of a prefix that the reply continues.

        Raises:
            InputError: The chat template rejects the messages.
        """
        from jinja2 import TemplateError

        try:
            text = self.tokenizer.apply_chat_template(
                [dict(message) for message in messages], add_generation_prompt=True, tokenize=False
            )
        except TemplateError as error:
            raise InputError(f"The model's chat template rejects the prompt: {error}.") from None
        return [*self._encode(text), *self._encode(prefix)]

    def reply_ids(self, text: str, *, is_complete: bool = True) -> list[int]:
        """Return the tokens of a reply, with the end token if it is complete."""
        ids = self._encode(text)
        if is_complete:
            ids.append(self.tokenizer.eos_token_id)
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of a reply without special tokens."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def _encode(self, text: str) -> list[int]:
        if not text:
            return []
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids


def to_chat_message(message: BaseMessage) -> ChatMessage:
    """Return a LangChain message in the form of chat templates."""
    return {"role": _ROLES.get(message.type, "user"), "content": message.text}


def split_prefix(messages: Sequence[BaseMessage]) -> tuple[list[BaseMessage], str]:
    """Split a final assistant message, which the reply continues, from the prompt."""
    if not messages or not isinstance(messages[-1], AIMessage):
        return list(messages), ""
    return list(messages[:-1]), messages[-1].text


def fence_end(prefix: str) -> str:
    """Return the line break after an opening fence, else "": quotes start on the next line, as in training."""
    return "\n" if prefix.endswith(FENCE) else ""


def convert_prompt(messages: Sequence[BaseMessage], info: FolderInfo) -> list[BaseMessage]:
    """Return a prompt in the words of the prompt set that a model was trained on.

    Prompts that are in these words already, or that no prompt set has, are returned unchanged.
    """
    prompt = list(messages)
    prompts = load(info.prompts)
    parsed = parse_prompt(prompt)
    if parsed.name is None or not parsed.data:
        return prompt
    variables = VARIABLES[parsed.name]
    data = {name: parsed.data.get(name, "") for name in variables if name not in OPTIONAL}
    for name in OPTIONAL:
        if name in variables and parsed.data.get(name):
            data[name] = parsed.data[name]
    converted = prompts.render(parsed.name, "question", **data)
    humans = [message for message in prompt if message.type == "human"]
    if humans and humans[-1].text == converted[-1].text:
        return prompt
    has_system = any(isinstance(message, SystemMessage) for message in converted)
    if has_system:
        systems = [message for message in prompt if isinstance(message, SystemMessage)]
        converted = [*systems, converted[-1]]
    return converted
