"""Write the text that a trained reward model reads: one form in training, GRPO and use.

It is the prompt that asks whether a critique is helpful, in the prompt set of the model's base, up to the start of the
reply. There is no end token, and no context: a scorer does not get it. The score is read at the last token, where the
base has its Yes or No.
"""

from selfcritic.agent.models.hugging_face.chat import Chat


def reward_ids(chat: Chat, question: str, answer: str, critique: str) -> list[int]:
    """Return the tokens that a reward model reads."""
    messages = chat.messages("helpfulness", question=question, answer=answer, critique=critique)
    return chat.prompt_ids(messages)
