"""Run untrusted Python with the best isolation that the system offers."""

from selfcritic.agent.sandbox.run import SandboxResult, run_python

__all__ = ["SandboxResult", "run_python"]
