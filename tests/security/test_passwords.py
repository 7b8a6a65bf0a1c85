import asyncio
import re

import pytest
from tests.security.support import PASSWORD

from weft.errors import Invalid, Unavailable
from weft.security.passwords import (
    AT_ONCE,
    LENGTH_MAX,
    WAITING_MAX,
    PasswordHasher,
    require_password,
    uncommon_characters,
)

LONG = "mjölnir/quokka/ebb-tide/"


@pytest.mark.parametrize(
    ("length", "accepted"), [(11, 0), (12, 0), (14, 0), (15, 1), (128, 1), (129, 0)]
)
def test_au_3_a_password_has_15_to_128_characters(length: int, accepted: int) -> None:
    """The limits, each from both sides; spaces and letters of any alphabet count."""
    text = (LONG * 6)[:length]
    if accepted:
        assert require_password(text) == text
    else:
        with pytest.raises(Invalid, match="15 to 128"):
            require_password(text)


@pytest.mark.parametrize(
    "text",
    [
        "passwordpassword",
        "Password1Password1",
        "P@ssw0rd!P@ssw0rd!",
        "adminadminadmin1",
        "123456789012345",
        "1234567890123456789",
        "qwertyuiopasdfghjkl",
        "poiuytrewqlkjhgf",
        "1q2w3e4r5t6y7u8i",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcdefghijklmnop",
        "letmeinletmein2026",
        "Welcome12345678!",
        "iloveyouforever123",
        "correcthorsebatterystaple",
        "trustno1trustno1",
        "summerwinter2025",
        "changemechangeme",
        "thequickbrownfoxjumps",
        "qazwsxedcrfvtgb",
        "monkeydragon12345",
        "dragondragon9999999",
        "111111222222333333",
        "!!!!!!!!!!!!!!!!",
        "footballbaseball",
        "weftweftweftweft",
    ],
)
def test_au_3_what_is_tried_first_is_refused(text: str) -> None:
    """Common words, runs of keys and digits, repetitions, and their usual disguises."""
    with pytest.raises(Invalid, match="tried first"):
        require_password(text)


def test_au_3_what_the_name_gives_away_is_refused() -> None:
    """Ada Lovelace at weft.example takes herself as password."""
    text = "ada.lovelace@weft.example1"
    with pytest.raises(Invalid, match="tried first"):
        require_password("lovelacelovelace", ["ada.lovelace@weft.example"])
    with pytest.raises(Invalid, match="tried first"):
        require_password(text, ["ada.lovelace@weft.example"])


@pytest.mark.parametrize(
    "text",
    [
        PASSWORD,
        "lamp kettle seventeen onyx",
        "zgQv81-plTk0-Wmx7e",
        "der Regen fiel auf Kiesel",
        "今日は良い天気ですね、散歩に行きましょう",
        "seven passwords hold my umbrella",
    ],
)
def test_au_3_there_are_no_rules_of_composition(text: str) -> None:
    """No digit, no capital, no sign is asked for; a common word among others does no harm."""
    assert require_password(text, ["ada"]) == text


def test_au_3_equal_texts_are_one_password() -> None:
    """é as one character or as two: a password typed on another keyboard is the same."""
    assert require_password("cafe\u0301 quokka ebb tide") == "café quokka ebb tide"


def test_what_is_left_is_counted() -> None:
    """Different characters, after words, runs and names are out."""
    assert uncommon_characters("password1234") == 0
    assert uncommon_characters("passwordxyzzy") == 3


async def test_au_3_the_hash_is_argon2id_with_its_parameters() -> None:
    """46 MiB, one pass, and a salt of its own each time."""
    hasher = PasswordHasher()
    first, second = await hasher.hash(PASSWORD), await hasher.hash(PASSWORD)
    found = re.fullmatch(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=1\$[^$]{22}\$[^$]{43}", first)
    assert found is not None
    assert int(found[1]) >= 46 * 1024
    assert int(found[2]) >= 1
    assert first != second
    assert await hasher.verify(PASSWORD, first)
    assert not await hasher.verify(PASSWORD + ".", first)


async def test_au_5_without_a_user_the_same_work_is_done() -> None:
    """And the answer is no, even for the text that stands in for nobody."""
    hasher = PasswordHasher()
    assert not await hasher.verify("nobody has this password", None)


async def test_an_enormous_password_is_not_hashed_whole() -> None:
    """A megabyte is cut before it is normalised and hashed."""
    hasher = PasswordHasher()
    assert not await hasher.verify("x" * 1_000_000, await hasher.hash("x" * LENGTH_MAX))


async def test_few_are_hashed_at_once_and_few_wait() -> None:
    """A flood of sign-ins takes 92 MiB and a short queue, then is told to come back."""
    hasher = PasswordHasher()
    for _ in range(AT_ONCE):
        await hasher.enter()
    async with asyncio.TaskGroup() as group:
        waiting = [group.create_task(hasher.enter()) for _ in range(WAITING_MAX)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await hasher.enter()
        for _ in range(WAITING_MAX):
            hasher.leave()
    assert all(task.done() for task in waiting)
