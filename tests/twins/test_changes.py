"""Changes: old and new of what differs, and when each property was said."""

from weft.model.twin import Stamp
from weft.twins.changes import PropertyChange, differences, stamped

NEW = Stamp(9, "user:alice")


def test_only_what_differs_is_told_by_name() -> None:
    old = {"a": 1, "b": 2, "c": 3}
    new = {"a": 1, "b": 5, "d": 4}
    assert differences(["d", "c", "b", "a"], old, new) == (
        PropertyChange("b", 2, 5),
        PropertyChange("c", 3, None),
        PropertyChange("d", None, 4),
    )


def test_a_property_that_is_said_again_is_stamped_again_and_one_that_is_gone_has_no_stamp() -> None:
    old = {"a": Stamp(1, "x"), "b": Stamp(1, "x"), "c": Stamp(1, "x")}
    assert stamped(old, ["b", "c", "d"], {"a": 1, "b": 1, "d": 1}, NEW) == {
        "a": Stamp(1, "x"),
        "b": NEW,
        "d": NEW,
    }
