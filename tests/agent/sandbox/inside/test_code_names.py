"""Names of the code in the namespace of the tests."""

from selfcritic.agent.sandbox.inside.code_names import RemoteModule, visible_names
from selfcritic.agent.sandbox.inside.proxy import is_callable


def test_names_that_the_tests_check_with_are_hidden():
    names = {"f": 1, "abs": 2, "sum": 3, "__builtins__": {"abs": 4}, "__name__": "x", "__helper": 5}
    visible = visible_names({"builtins": ["sum"], "modules": []}, names)
    assert visible == {"callable": is_callable, "f": 1, "sum": 3, "__helper": 5}


def test_names_of_a_remote_module_have_their_current_values():
    names = {"f": 1, "_g": 2, "__builtins__": {}, "__path__": []}
    module = RemoteModule(names.__getitem__, ["f", "_g"])
    assert (module.f, module._g) == (1, 2)
    names["f"] = 3
    assert module.f == 3
    assert module.__all__ == ["f"]
    assert not hasattr(module, "__builtins__")
    assert not hasattr(module, "__path__")
