"""Names of the code in the namespace of the tests."""

from selfcritic.agent.sandbox.inside.code_names import CodeImporter, visible_names


def test_names_that_the_tests_check_with_are_hidden():
    names = {"f": 1, "abs": 2, "sum": 3, "__builtins__": {"abs": 4}, "__name__": "x", "__helper": 5}
    visible = visible_names({"builtins": ["sum"], "modules": []}, names)
    assert visible == {"f": 1, "sum": 3, "__helper": 5}


def test_modules_of_the_code_have_all_names_but_special_ones():
    names = {"f": 1, "_g": 2, "abs": 3, "__builtins__": {}, "__spec__": None}
    visible = visible_names({"builtins": [], "modules": []}, names)
    importer = CodeImporter(names, visible, "import solution")
    spec = importer.find_spec("solution")
    assert spec is not None
    module = importer.create_module(spec)
    assert (module.f, module._g, module.abs) == (1, 2, 3)
    assert module.__all__ == ["f"]
    assert "__builtins__" not in vars(module)
    assert importer.find_spec("other") is None
