from mesh.importers.imported import Irregularity, differing, told


def test_the_exact_places_of_a_difference_are_named() -> None:
    left = {"a": 1, "drivers": [{"name": "x", "init": "1"}], "only": 1, "list": [1]}
    right = {"a": True, "drivers": [{"name": "x", "init": "2"}], "list": [1, 2]}
    assert differing(left, right) == ["a", "drivers[0].init", "only", "list"]
    assert differing(left, left) == []


def test_an_irregularity_is_one_short_line() -> None:
    assert str(Irregularity("us[0]", told(None), "left out")) == "us[0]: null - left out"
    assert len(told("x" * 1000)) == 80
