"""Apply the token rules of the tiny decoder in GRPO: to its samples, and to all log-probs."""

from typing import Any

from selfcritic.agent.models.hugging_face.token_rules import FORBIDDEN_LOGIT, PromptOnlyTokens
from selfcritic.agent.training.base import Base
from selfcritic.agent.training.settings import import_trainer


def choose_trainer(base: Base) -> Any:
    """Return TRL's trainer; with token rules, a subclass that applies them to samples and log-probs."""
    trl = import_trainer("trl")
    trainer_class: Any = trl.GRPOTrainer
    if not base.info.prompt_only_tokens:
        return trainer_class
    return _restrict(trainer_class, PromptOnlyTokens(base.info.prompt_only_tokens))


def _restrict(trainer_class: Any, rules: PromptOnlyTokens) -> Any:
    torch = import_trainer("torch")
    transformers = import_trainer("transformers")

    class RestrictedTrainer(trainer_class):  # type: ignore[misc]
        """TRL passes no logits processor, and computes log-probs without logits."""

        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            model = self.model
            generate = model.generate

            def restricted(**options: Any) -> Any:
                processors = transformers.LogitsProcessorList([rules])
                return generate(**options, logits_processor=processors)

            model.generate = restricted

        def _get_per_token_logps_and_entropies(
            self,
            model: Any,
            input_ids: Any,
            attention_mask: Any,
            logits_to_keep: int,
            batch_size: int | None = None,
            compute_entropy: bool = False,
            **_: Any,
        ) -> tuple[Any, Any, None]:
            """Return log-probs and entropies of the completions' tokens; the last value is for experts."""
            logps = []
            entropies = []
            size = batch_size or len(input_ids)
            for start in range(0, len(input_ids), size):
                ids = input_ids[start : start + size]
                mask = attention_mask[start : start + size]
                outputs = model(
                    input_ids=ids, attention_mask=mask, logits_to_keep=logits_to_keep + 1
                )
                logits = outputs.logits[:, :-1].float() / self.temperature
                forbidden = rules.find_forbidden(ids, logits.shape[-1])
                logits = logits.masked_fill(forbidden[:, None], FORBIDDEN_LOGIT)
                all_logps = torch.log_softmax(logits, dim=-1)
                targets = ids[:, -logits_to_keep:, None]
                logps.append(all_logps.gather(-1, targets).squeeze(-1))
                entropies.append(-(all_logps.exp() * all_logps).sum(-1))
            entropy = torch.cat(entropies) if compute_entropy else None
            return torch.cat(logps), entropy, None

    return RestrictedTrainer
