"""Read answers and ratings from files of other tools, by format or by column names."""

from selfcritic.agent.data.readers.load import FORMATS, load_answers, load_ratings

__all__ = ["FORMATS", "load_answers", "load_ratings"]
