"""Check what a chat model can do for the loop, with about twenty small requests."""

from collections.abc import Awaitable, Callable, Sequence

from langchain_core.language_models import BaseChatModel

from selfcritic.agent.errors import SelfcriticError
from selfcritic.agent.models.base import LocalChatModel
from selfcritic.graphs.cli import model_loop_checks, model_request_checks
from selfcritic.graphs.cli.model_report import Finding, ModelReport, count_round_calls
from selfcritic.graphs.cli.model_server_checks import check_server
from selfcritic.graphs.cli.model_session import CheckSession

Check = Callable[[CheckSession], Awaitable[Finding | list[Finding]]]

_CHECKS: dict[str, Check] = {
    "reply": model_request_checks.check_reply,
    "length limit": model_request_checks.check_length_limit,
    "n": model_request_checks.check_n,
    "seed": model_request_checks.check_seed,
    "prefill": model_request_checks.check_prefill,
    "verdicts": model_loop_checks.check_verdicts,
    "helpfulness": model_loop_checks.check_helpfulness,
    "logprobs": model_loop_checks.check_logprobs,
    "quotes": model_loop_checks.check_quotes,
    "thinking": model_loop_checks.check_thinking,
    "server": check_server,
}
"""In the order in which they learn about the model."""


def _ignore(_: object) -> None:
    pass


async def check_model(
    model: BaseChatModel,
    on_start: Callable[[str], None] = _ignore,
    on_findings: Callable[[Sequence[Finding]], None] = _ignore,
) -> ModelReport:
    """Send the requests and report what works; raises no model error.

    `on_start` receives the name of each check before its requests, `on_findings` what it showed.
    """
    session = CheckSession(model)
    findings: list[Finding] = []
    for name, check in _CHECKS.items():
        if name == "server" and isinstance(model, LocalChatModel):
            continue
        on_start(name)
        results = await _run(name, check, session)
        on_findings(results)
        findings += results
        if not session.has_replied:
            break
    judged = [finding for finding in findings if finding.name in ("verdicts", "helpfulness")]
    is_usable = bool(judged) and all(finding.status != "no" for finding in judged)
    calls_per_round = None
    if is_usable:
        calls_per_round = count_round_calls(session.sampler.capabilities)
    return ModelReport(findings, session.budget.usage, is_usable, calls_per_round)


async def _run(name: str, check: Check, session: CheckSession) -> list[Finding]:
    """Return the findings of a check; an error is one."""
    try:
        result = await check(session)
    except SelfcriticError as error:
        return [Finding(name, "no", str(error))]
    if isinstance(result, Finding):
        return [result]
    return result
