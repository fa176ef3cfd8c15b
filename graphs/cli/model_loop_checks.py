"""Check how well a model judges and criticizes."""

from selfcritic.agent.critic.examples import prompt_examples
from selfcritic.agent.critic.grounding import ground
from selfcritic.graphs.cli.model_report import LOOP_VOTES, Finding, Status
from selfcritic.graphs.cli.model_session import NUM_SAMPLES, CheckSession

_THRESHOLD = 0.5
"""The default of `accept_threshold` and `helpful_threshold`."""
_WRONG = "readable, but wrong here: use a larger model"


async def check_verdicts(session: CheckSession) -> Finding:
    """Check the verdicts on a right and a wrong draft."""
    probe = session.probe
    right = await session.p_yes("classify", answer=probe.right)
    wrong = await session.p_yes("classify", answer=probe.wrong)
    details = f"P(flaw) {wrong:.2f} for a wrong draft, {right:.2f} for a right one"
    if wrong >= _THRESHOLD > right:
        return Finding("verdicts", "yes", details)
    return Finding(
        "verdicts",
        "partly",
        details,
        _WRONG,
    )


async def check_helpfulness(session: CheckSession) -> Finding:
    """Check the verdicts on a right and a wrong critique."""
    probe = session.probe
    good = await session.p_yes("helpfulness", answer=probe.wrong, critique=probe.right_critique)
    bad = await session.p_yes("helpfulness", answer=probe.right, critique=probe.wrong_critique)
    details = f"P(helpful) {good:.2f} for a right critique, {bad:.2f} for a wrong one"
    if good > _THRESHOLD >= bad:
        return Finding("helpfulness", "yes", details)
    return Finding(
        "helpfulness",
        "partly",
        details,
        _WRONG,
    )


async def check_logprobs(session: CheckSession) -> list[Finding]:
    """Report whether a verdict takes one request."""
    method = session.sampler.capabilities.probability
    if method is None:
        return [Finding("logprobs", "unknown", "no verdict was read")]
    if method == "logprobs":
        return [Finding("logprobs", "yes", "a verdict takes one request")]
    votes = 1 if session.sampler.capabilities.reasoning else LOOP_VOTES
    return [
        Finding(
            "logprobs",
            "no",
            f"a verdict is the share of {votes} votes",
            "choose a judge with logprobs, or set num_votes",
        )
    ]


async def check_quotes(session: CheckSession) -> Finding:
    """Check whether critiques quote the draft."""
    messages = session.render("critique", answer=session.probe.wrong)
    samples = await session.sampler.sample(messages, NUM_SAMPLES)
    examples = prompt_examples(session.prompts)
    num_grounded = 0
    for sample in samples:
        critique = ground(sample.text, session.probe.wrong, examples=examples)
        num_grounded += bool(critique.comments)
    details = f"{num_grounded} of {len(samples)} critiques quote the draft"
    if num_grounded == len(samples):
        return Finding("quotes", "yes", details)
    hint = "critiques without a quote are not used; try --critic with a larger model"
    status: Status = "partly" if num_grounded else "no"
    return Finding("quotes", status, details, hint)


async def check_thinking(session: CheckSession) -> list[Finding]:
    """Report whether the model thinks before it replies."""
    if not session.sampler.capabilities.reasoning:
        return [Finding("thinking", "no", "the model replies at once")]
    hint = "verdicts think too: ?reasoning_effort=low makes them cheaper, if supported"
    return [Finding("thinking", "yes", "removed from replies", hint)]
