"""Report that the packages of the extra `eval` are missing."""

from typing import NoReturn

from selfcritic.graphs.cli.console import BAD_USAGE, fail


def fail_missing_extra(error: ImportError) -> NoReturn:
    """Exit with the command that installs the extra."""
    fail(f"Measuring needs {error.name}: pip install 'selfcritic[eval]'.", BAD_USAGE)
