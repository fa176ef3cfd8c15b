"""Property tests draw the same examples on every run, and never fail for a slow machine."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")
