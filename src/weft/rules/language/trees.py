"""Walks over checked trees: what an expression is made of, reads, asks for and remembers."""

from weft.rules.language.syntax import (
    Apply,
    Checked,
    Choose,
    Feed,
    Has,
    Input,
    Items,
    Logic,
    Path,
)


def parts_of(tree: Checked) -> tuple[Checked, ...]:
    """Return the expressions that an expression is made of; what feeds a feed is not of it."""
    match tree:
        case Apply():
            return tree.arguments
        case Logic():
            return tree.operands
        case Choose():
            return (tree.condition, tree.then, tree.otherwise)
        case Items():
            return tree.items
        case _:
            return ()


def inputs_of(tree: Checked) -> set[Path]:
    """Return the slots that must be there for the generated code to be exact."""
    if isinstance(tree, Input | Feed):
        return {tree.path}
    return set().union(*(inputs_of(part) for part in parts_of(tree)))


def asked_of(tree: Checked) -> set[Path]:
    """Return the inputs that `has()` asks for."""
    if isinstance(tree, Has):
        return {tree.path}
    return set().union(*(asked_of(part) for part in parts_of(tree)))


def feeds_of(tree: Checked) -> tuple[Feed, ...]:
    """Return the feeds that an expression reads, outermost only, each once."""
    if isinstance(tree, Feed):
        return (tree,)
    found = {feed.text: feed for part in parts_of(tree) for feed in feeds_of(part)}
    return tuple(found.values())


def all_feeds_of(tree: Checked) -> tuple[Feed, ...]:
    """Return every feed below an expression, each behind those that it is fed by."""
    found: dict[str, Feed] = {}
    for feed in feeds_of(tree):
        for sample in feed.samples:
            found.update({one.text: one for one in all_feeds_of(sample)})
        found[feed.text] = feed
    return tuple(found.values())


def paths_of(tree: Checked) -> set[Path]:
    """Return every slot that an expression touches, through its feeds as well."""
    found = inputs_of(tree) | asked_of(tree)
    for feed in all_feeds_of(tree):
        found.add(feed.path)
        for sample in feed.samples:
            found |= inputs_of(sample) | asked_of(sample)
    return found
