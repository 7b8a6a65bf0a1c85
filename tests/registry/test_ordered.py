"""Ordered names: any page is what sorting all names would give."""

from hypothesis import given
from hypothesis import strategies as st

from weft.model.ids import TenantId
from weft.registry.ordered import OrderedNames

MAIN = TenantId("main")
NAMES = st.text("abc", min_size=1, max_size=3)


@given(
    steps=st.lists(st.tuples(st.booleans(), NAMES), max_size=40),
    after=st.text("abc", max_size=3),
    limit=st.integers(0, 10),
)
def test_a_page_is_a_slice_of_the_sorted_names(
    steps: list[tuple[bool, str]], after: str, limit: int
) -> None:
    """Names come and go in any order, some twice."""
    ordered, known = OrderedNames(), set[str]()
    for comes, name in steps:
        if comes:
            ordered.add(MAIN, name)
            known.add(name)
        else:
            ordered.drop(MAIN, name)
            known.discard(name)
    behind = sorted(name for name in known if name > after)
    assert ordered.behind(MAIN, after, limit) == behind[:limit]


def test_tn_1_tenants_do_not_share_names() -> None:
    """The neighbour's names are not in the page."""
    ordered = OrderedNames()
    ordered.add(MAIN, "b")
    ordered.add(TenantId("other"), "a")
    assert ordered.behind(MAIN, "", 10) == ["b"]
