"""Tests of the curriculum's stages."""

from selfcritic.agent.training.tiny.curriculum import Curriculum


def test_stages_follow_each_other():
    curriculum = Curriculum(1.0, loss_window=2)
    stages = []
    for percent in range(100):
        position = percent / 100
        stages.append(curriculum.stage(position))
        curriculum.record(9.0, position)
    ends = {stage: len(stages) - stages[::-1].index(stage) for stage in dict.fromkeys(stages)}
    assert ends == {"copy": 22, "edit": 42, "injected flaws": 65, "self-play": 100}


def test_a_learned_warm_up_ends_early():
    curriculum = Curriculum(1.0, loss_window=2)
    for loss in (0.1, 0.2):
        assert curriculum.stage(0.01) == "copy"
        curriculum.record(loss, 0.01)
    assert curriculum.stage(0.01) == "edit"


def test_task_sizes_grow_after_the_warm_ups():
    curriculum = Curriculum(1.0)
    curriculum.finished = {"copy": 0.1, "edit": 0.2}
    sizes = [curriculum.max_size(position, range(4, 31)) for position in (0.2, 0.4, 0.6, 0.9)]
    assert sizes == [6, 18, 30, 30]


def test_a_late_warm_up_leaves_the_full_size():
    curriculum = Curriculum(1.0)
    curriculum.finished = {"copy": 0.5, "edit": 0.7}
    assert curriculum.max_size(0.7, range(4, 31)) == 30
