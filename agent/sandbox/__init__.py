"""Run untrusted Python, isolated from the machine as far as the system allows."""

from selfcritic.agent.sandbox.run import SandboxResult, run_python

__all__ = ["SandboxResult", "run_python"]
