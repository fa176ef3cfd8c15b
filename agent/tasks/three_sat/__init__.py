"""Task type: 3-SAT as choosing food and drink for people."""

from selfcritic.agent.tasks.three_sat.task import ThreeSat

__all__ = ["ThreeSat"]
