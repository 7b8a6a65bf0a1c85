"""The book: what is open is at hand, what has ended goes when the disk has it."""

import pytest
from msgspec.structs import replace
from tests.model.test_command import COMMAND

from weft.commands.book import SPARE_EXPIRIES, Book
from weft.commands.kinds import Key
from weft.errors import Conflict
from weft.model.command import Command, CommandState

KEY = Key.of(COMMAND)


def made(*commands: Command) -> Book:
    book = Book()
    for command in commands or (COMMAND,):
        book.add(command)
    return book


def test_an_ended_command_stays_until_it_is_stored() -> None:
    book = made()
    ended = replace(COMMAND, state=CommandState.FAILED)
    book.change(ended)
    assert book.find(KEY) is ended
    assert book.count_open(COMMAND.tenant) == 0
    book.stored(COMMAND)
    assert book.find(KEY) is ended, "what was stored is not the newest"
    book.stored(ended)
    assert book.find(KEY) is None


def test_a_move_that_does_not_exist_is_refused() -> None:
    book = made()
    book.change(replace(COMMAND, state=CommandState.DELIVERED))
    with pytest.raises(Conflict):
        book.change(replace(COMMAND, state=CommandState.SENT))


def test_expiries_are_returned_until_the_command_has_ended() -> None:
    book = made()
    assert book.take_expired(COMMAND.expires_at - 1) == []
    assert book.take_expired(COMMAND.expires_at) == [COMMAND]
    assert book.take_expired(COMMAND.expires_at) == [COMMAND]
    book.change(replace(COMMAND, state=CommandState.EXPIRED))
    assert book.take_expired(COMMAND.expires_at) == []


def test_the_list_of_expiries_does_not_keep_what_has_ended() -> None:
    """A busy device answers at once; a time to live of a week must not hold its commands."""
    book = Book()
    for number in range(2 * SPARE_EXPIRIES):
        command = replace(COMMAND, request_id=str(number), expires_at=10**18)
        book.add(command)
        book.change(replace(command, state=CommandState.SUCCEEDED), stored=True)
    book.take_expired(0)
    assert len(book._expiries) == 0


def test_a_forgotten_device_leaves_nothing() -> None:
    book = made(COMMAND, replace(COMMAND, request_id="r-2"))
    book.forget(COMMAND.tenant, COMMAND.device_id)
    assert book.held_of(COMMAND.tenant, COMMAND.device_id) == {}
    assert (book.count_open(COMMAND.tenant), book.unsent, book.dirty) == (0, {}, set())
