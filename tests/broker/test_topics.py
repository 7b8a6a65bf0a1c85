"""Topics, filters and the trees that match them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.broker.topics import (
    FilterTree,
    TopicIndex,
    require_filter,
    require_topic,
    split_share,
)
from weft.errors import Invalid

LEVELS = st.sampled_from(["", "a", "b", "c", "$x", "$SYS"])
TOPICS = st.lists(LEVELS, min_size=1, max_size=5).map("/".join).filter(bool)
FILTERS = (
    st.tuples(
        st.lists(st.one_of(LEVELS, st.just("+")), min_size=0, max_size=4),
        st.sampled_from([[], ["#"]]),
    )
    .map(lambda parts: "/".join(parts[0] + parts[1]))
    .filter(bool)
)


def naive_match(filter_: str, topic: str) -> bool:
    """The clauses of MQTT 4.7, word by word."""
    wanted, levels = filter_.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in {"+", "#"}:
        return False
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        if len(levels) < len(wanted):
            return False
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(
        want in ("+", level) for want, level in zip(wanted, levels, strict=True)
    )


@given(st.lists(FILTERS, max_size=12), st.lists(TOPICS, max_size=6), st.data())
def test_the_filter_tree_agrees_with_the_specification(
    filters: list[str], topics: list[str], data: st.DataObject
) -> None:
    """Any filters, added and partly removed again, match what the clauses say."""
    tree: FilterTree[int, int] = FilterTree()
    held = dict(enumerate(filters))
    for key, filter_ in held.items():
        tree.put(filter_, key, key)
    for topic in topics:
        tree.match(topic)
    for key in data.draw(st.sets(st.sampled_from(list(held)))) if held else set():
        assert tree.remove(held.pop(key), key)

    for topic in topics:
        expected = sorted(key for key, filter_ in held.items() if naive_match(filter_, topic))
        assert sorted(tree.match(topic)) == expected
    assert len(tree) == len(held)


@given(st.lists(TOPICS, max_size=12, unique=True), st.lists(FILTERS, max_size=6), st.data())
def test_the_topic_index_agrees_with_the_specification(
    topics: list[str], filters: list[str], data: st.DataObject
) -> None:
    """Retained topics, partly removed again, are found by the filters that match them."""
    index: TopicIndex[str] = TopicIndex()
    held = set(topics)
    for topic in topics:
        index.put(topic, topic)
    for topic in data.draw(st.sets(st.sampled_from(topics))) if topics else set():
        assert index.remove(topic) == topic
        held.discard(topic)

    for filter_ in filters:
        found = index.match(filter_)
        assert sorted(found) == sorted(topic for topic in held if naive_match(filter_, topic))
    assert set(index) == held


def test_a_wildcard_at_the_start_does_not_see_dollar_topics() -> None:
    """Subscribing to # is no way to read what the server says about itself [MQTT-4.7.2-1]."""
    tree: FilterTree[str, str] = FilterTree()
    for filter_ in ("#", "+/load", "$SYS/#", "$SYS/+"):
        tree.put(filter_, filter_, filter_)

    assert set(tree.match("$SYS/load")) == {"$SYS/#", "$SYS/+"}
    assert set(tree.match("sys/load")) == {"#", "+/load"}


def test_a_removed_filter_leaves_nothing_behind() -> None:
    """A million subscriptions come and go; the tree is as small as before."""
    tree: FilterTree[str, int] = FilterTree()
    tree.put("a/b/c", "k", 1)
    assert tree.remove("a/b/c", "k")

    assert not tree._root.children
    assert not tree.remove("a/b/c", "k")
    assert not tree.remove("a/x", "k")


def test_what_matched_is_remembered_until_the_tree_changes() -> None:
    """The cache never answers with a subscription that is gone."""
    tree: FilterTree[str, int] = FilterTree(cached_max=2)
    tree.put("a/+", "k", 1)
    version = tree.version
    assert tree.match("a/b") is tree.match("a/b")

    tree.remove("a/+", "k")

    assert tree.match("a/b") == ()
    assert tree.version > version


def test_the_cache_of_matches_is_bounded() -> None:
    """A device that makes up a topic per message does not fill the memory."""
    tree: FilterTree[str, int] = FilterTree(cached_max=10)
    for i in range(1000):
        tree.match(f"t/{i}")

    assert len(tree._cached) <= 10


def test_find_returns_the_value_under_exactly_this_filter() -> None:
    """A group is found by its filter, not by what its filter matches."""
    tree: FilterTree[str, int] = FilterTree()
    tree.put("a/+", "k", 1)

    assert tree.find("a/+", "k") == 1
    assert tree.find("a/b", "k") is None
    assert tree.find("x/y/z", "k") is None


@pytest.mark.parametrize("bad", ["", "a/#/b", "a#", "#/a", "a/b+", "+a/b", "a\0b", "x" * 1025])
def test_a_filter_against_the_rules_is_refused(bad: str) -> None:
    """Each of these has crashed or opened a broker somewhere."""
    with pytest.raises(Invalid):
        require_filter(bad)


@pytest.mark.parametrize("good", ["#", "+", "/", "a/+/b/#", "$SYS/#", "+/+", "x" * 1024])
def test_a_filter_within_the_rules_is_taken(good: str) -> None:
    """Every shape the specification shows."""
    assert require_filter(good) == good


@pytest.mark.parametrize("bad", ["", "a/+", "#", "a/#/b", "\0", "é" * 513])
def test_a_topic_to_publish_to_has_no_wildcard(bad: str) -> None:
    """Publishing to a wildcard would mean publishing to everyone [MQTT-3.3.2-2]."""
    with pytest.raises(Invalid):
        require_topic(bad)


def test_mq5_a_topic_has_at_most_32_levels() -> None:
    """MQ-5: at the cap it is taken, one more is refused."""
    assert require_topic("/".join("a" * 32))
    with pytest.raises(Invalid, match="32 levels"):
        require_topic("/".join("a" * 33))
    with pytest.raises(Invalid, match="32 levels"):
        require_filter("/".join("+" * 33))


def test_mq5_a_topic_has_at_most_1024_bytes() -> None:
    """MQ-5: bytes are counted, not characters."""
    assert require_topic("é" * 512)
    with pytest.raises(Invalid, match="1024 bytes"):
        require_topic("é" * 513)


def test_a_shared_filter_is_split_into_group_and_filter() -> None:
    """`$share/workers/jobs/#` is the group workers on jobs/#."""
    assert split_share("$share/workers/jobs/#") == ("workers", "jobs/#")
    assert split_share("$shared/x") == ("", "$shared/x")
    assert split_share("jobs") == ("", "jobs")


@pytest.mark.parametrize("bad", ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a"])
def test_a_shared_filter_without_group_or_filter_is_refused(bad: str) -> None:
    """[MQTT-4.8.2-1], [MQTT-4.8.2-2]."""
    with pytest.raises(Invalid):
        split_share(bad)
