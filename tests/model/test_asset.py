"""Assets as values: an attachment holds from its first moment until before its last."""

from weft.model.asset import Attachment, AttachmentRole, Relation
from weft.model.ids import AssetId, AssetUid, DeviceId, DeviceUid, TenantId

MAIN = TenantId("main")


def attachment(from_at: int, until_at: int | None) -> Attachment:
    return Attachment(
        MAIN,
        DeviceId("tracker"),
        DeviceUid("u"),
        AssetId("trailer"),
        AssetUid("a"),
        AttachmentRole.OBSERVES,
        from_at,
        "user:alice",
        until_at,
    )


def test_a_moment_belongs_to_one_of_two_that_follow_each_other() -> None:
    """The moment of a move is the first at the new place."""
    before, after = attachment(10, 20), attachment(20, None)
    for at, holders in ((9, 0), (10, 1), (19, 1), (20, 1), (10**18, 1)):
        assert before.holds_at(at) + after.holds_at(at) == holders


def test_keys_sort_attachments_by_age() -> None:
    """Numbers as text have leading zeros."""
    assert attachment(9, 10).key < attachment(10, 11).key < attachment(100, None).key


def test_relations_are_told_apart() -> None:
    """A slash ends each part."""
    one = Relation(MAIN, "feeds", AssetId("a"), AssetId("b"), 1, "user:alice")
    assert one.key == "a/feeds/b"
