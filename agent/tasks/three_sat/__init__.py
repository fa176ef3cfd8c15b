"""Find a choice that satisfies every rule: 3-SAT in plain words."""

from selfcritic.agent.tasks.three_sat.task import ThreeSat

__all__ = ["ThreeSat"]
