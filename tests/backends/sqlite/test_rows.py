"""Rows: a record verifies by all that it is."""

from weft.backends.sqlite.rows import Row, checksum_of, is_whole

ROW: tuple[str, int, bytes, bytes] = ("pump-1", 3, b"body", b"texts")


def test_a_checksum_covers_every_part() -> None:
    """Whatever is changed or moved between the parts, the checksum does not agree."""
    checksum = checksum_of("pump", "main", ROW)
    assert is_whole("pump", "main", (*ROW, checksum))

    changed: list[tuple[str, str, Row]] = [
        ("valve", "main", (*ROW, checksum)),
        ("pump", "other", (*ROW, checksum)),
        ("pump", "main", ("pump-2", 3, b"body", b"texts", checksum)),
        ("pump", "main", ("pump-1", 4, b"body", b"texts", checksum)),
        ("pump", "main", ("pump-1", 3, b"bod", b"ytexts", checksum)),
        ("pump", "main", ("pump-1", 3, b"body", b"text", checksum)),
        ("pump", "main", (*ROW, checksum ^ 1)),
    ]
    assert not any(is_whole(kind, tenant, row) for kind, tenant, row in changed)


def test_a_row_of_another_form_is_not_whole() -> None:
    """Damage may turn a blob into a text or a null."""
    assert not is_whole("pump", "main", ("pump-1", 3, None, b"texts", 1))  # type: ignore[arg-type]  # that is the damage
