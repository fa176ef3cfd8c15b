"""Write ratings and comparisons in the formats of other tools."""

from selfcritic.agent.data.exports.argilla import from_argilla, to_argilla
from selfcritic.agent.data.exports.inspect_scores import from_inspect_scores, to_inspect_scores
from selfcritic.agent.data.exports.json_files import read_json, write_json
from selfcritic.agent.data.exports.label_studio import (
    create_label_config,
    from_label_studio,
    to_label_studio,
)
from selfcritic.agent.data.exports.trl import to_preference, to_prompt_only, to_unpaired

__all__ = [
    "create_label_config",
    "from_argilla",
    "from_inspect_scores",
    "from_label_studio",
    "read_json",
    "to_argilla",
    "to_inspect_scores",
    "to_label_studio",
    "to_preference",
    "to_prompt_only",
    "to_unpaired",
    "write_json",
]
