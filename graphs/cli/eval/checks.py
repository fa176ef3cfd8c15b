"""Refuse options and data that an experiment cannot use, before any request is sent."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from selfcritic.agent.data.records import AnswerRecord
from selfcritic.agent.errors import InputError
from selfcritic.agent.evals.arms import ARMS
from selfcritic.agent.redaction import redact
from selfcritic.agent.tasks import parse_task
from selfcritic.graphs.cli.eval.run_options import RunRequest, parse_fsbs

SELF_CRITICISM = ("self-critique", "gdc")
"""Experiments in which a model criticizes its own answers."""
_GIVEN = ("critic", "frontier", "review")
"""Experiments on the answers of the data."""
_MAX_SHOWN = 3
_FORM_HINT = (
    "A judge that fills in the form adds them: --judge NAME --judge-form. Without these scores, the report may have no "
    "frontier."
)


def check_options(request: RunRequest) -> None:
    """Raise InputError if options do not fit the experiment or each other."""
    name = request.name
    critics = request.models.critic or []
    sampling = request.sampling
    if name in SELF_CRITICISM and critics:
        raise InputError(
            f"{name} has each model criticize its own answers: leave out --critic, or run `critic`."
        )
    if name == "refine" and len(critics) > 1:
        raise InputError(f"refine takes one --critic; got {len(critics)}.")
    if len(set(critics)) < len(critics):
        raise InputError("--critic names a critic twice. Name each critic once.")
    unknown = [arm for arm in sampling.arm or [] if arm not in ARMS]
    if unknown:
        raise InputError(f"--arm {unknown[0]} does not exist. Use {', '.join(ARMS)}.")
    if name != "refine" and sampling.arm:
        raise InputError(f"--arm is an option of refine; leave it out for {name}.")
    parse_fsbs(sampling.fsbs)
    if sampling.fsbs is not None and name != "frontier" and sampling.search != "fsbs":
        raise InputError(
            f"--fsbs sets the sizes of a search that {name} does not run. Add --search fsbs, or leave out --fsbs."
        )
    if request.ratings.judge_form and request.ratings.judge is None:
        raise InputError("--judge-form requires --judge NAME.")


def check_answers(request: RunRequest, records: Sequence[AnswerRecord]) -> None:
    """Raise InputError if answers that the experiment criticizes are missing."""
    missing = [record.id for record in records if not record.answer.strip()]
    if request.name in _GIVEN and missing:
        shown = ", ".join(missing[:_MAX_SHOWN])
        raise InputError(
            f"{request.name} criticizes the answers of the data, and {len(missing)} of {len(records)} items have none "
            f"({shown}). Run self-critique to sample answers, or name their column: --columns answer=COLUMN."
        )


def check_frontier(records: Sequence[AnswerRecord]) -> None:
    """Raise InputError if a frontier cannot be measured on any critic of the records."""
    flawed = [record for record in records if record.origin != "clean"]
    if not flawed:
        raise InputError(
            f"frontier compares critiques of flawed answers, but all {len(records)} answers are clean. Insert bugs "
            "into them with `selfcritic tamper --split 0,0.5,0.5`, and pass the file that it writes."
        )
    splits = {record.split for record in flawed}
    if "dev" not in splits or splits <= {"dev", "train"}:
        raise InputError(
            "frontier chooses length modifiers on dev tasks and measures them on test tasks, but the flawed answers "
            f"have only the split {' and '.join(sorted(map(str, splits)))}. Pass flawed answers of at least 2 tasks, "
            "without splits or with both, such as the file of `selfcritic tamper --split 0,0.5,0.5`."
        )


def find_notices(request: RunRequest, records: Sequence[AnswerRecord]) -> list[str]:
    """Return what the report of the experiment will lack with these data and options."""
    notices = []
    has_oracle = any(record.task_type for record in records)
    if request.name == "frontier" and not has_oracle and not request.ratings.judge_form:
        notices.append(
            "frontier needs scores for nitpicks and hallucinated problems, and known bugs determine few of them. "
            + _FORM_HINT
        )
    num_train = len([record for record in records if record.split == "train"])
    if request.name == "frontier" and num_train:
        notices.append(
            f"{num_train} of {len(records)} items are in the split train, which the frontier leaves out."
        )
    if request.name == "critic" and all(record.origin == "clean" for record in records):
        notices.append(
            "All answers are clean: the report has false alarms, but no bugs found and no AUC. To measure these, pass "
            "answers with bugs, such as the file that `selfcritic tamper` writes."
        )
    return notices


def check_judge(request: RunRequest, records: Sequence[AnswerRecord]) -> None:
    """Raise InputError if a judge of this project cannot rate the critiques."""
    judge = request.ratings.judge
    if judge is None:
        return
    kind = judge.partition("?")[0].partition(":")[0]
    if kind not in ("simulated", "tiny"):
        return
    if request.ratings.judge_form:
        raise InputError(
            f"--judge '{judge}' cannot fill in the form: it replies only to the loop's prompts. Leave out "
            "--judge-form, or pass a chat model as --judge."
        )
    others = [record.id for record in records if parse_task(record.question) is None]
    if kind == "simulated" and others:
        raise InputError(
            f"--judge '{judge}' rates critiques of the built-in task types only, and {len(others)} of {len(records)} "
            f"items have none ({', '.join(others[:_MAX_SHOWN])}). Pass a chat model as --judge."
        )


def find_seed(specs: Sequence[str | None], default: int) -> int:
    """Return the seed in the options of model specs, or the default.

    Raises:
        InputError: A seed is not an integer, or two specs have different seeds.
    """
    seeds: dict[int, str] = {}
    for spec in specs:
        options = dict(parse_qsl((spec or "").partition("?")[2]))
        if "seed" in options:
            seeds.setdefault(_parse_seed(options["seed"], spec or ""), spec or "")
    if len(seeds) > 1:
        quoted = " and ".join(f"'{redact(spec)}'" for spec in seeds.values())
        raise InputError(f"{quoted} have different seeds. Use one seed for a run.")
    return next(iter(seeds), default)


def _parse_seed(text: str, spec: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"'{redact(spec)}': seed must be an integer; got '{text}'.") from None
