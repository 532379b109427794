"""The stack's own keys: two verify, each purpose stands alone, a pseudonym stays, damage is said without quoting."""

import json

import pytest

from chalicelib.keys import Keys, KeysError, load_keys, new_keys

KEYS = Keys("k" * 64)


def test_what_one_purpose_signs_no_other_purpose_accepts() -> None:
    signature = KEYS.sign("act", b"message")
    assert KEYS.verifies("act", b"message", signature)
    assert not KEYS.verifies("mail", b"message", signature)
    assert not KEYS.verifies("act", b"massage", signature)
    assert not KEYS.verifies("act", b"message", b"")


def test_a_rotation_keeps_one_key_of_before_and_every_pseudonym() -> None:
    once = KEYS.rotated()
    twice = once.rotated()
    signature = KEYS.sign("act", b"message")
    assert once.verifies("act", b"message", signature)
    assert not twice.verifies("act", b"message", signature)
    assert {keys.pseudonym("ann") for keys in (KEYS, once, twice)} == {KEYS.pseudonym("ann")}
    assert KEYS.pseudonym("ann") != KEYS.pseudonym("ben")


def test_what_the_secret_store_keeps_reads_back() -> None:
    keys = new_keys().rotated()
    assert load_keys(keys.dump()) == keys
    made_by_the_stack = json.dumps({"current": "A" * 64})  # GenerateSecretString's shape
    assert load_keys(made_by_the_stack).verifies("act", b"m", Keys("A" * 64).sign("act", b"m"))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"current": "hunter2"}', '{"current": 7}', "null"])
def test_damaged_keys_are_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(KeysError, match="rotate-key") as caught:
        load_keys(text)
    assert "hunter2" not in str(caught.value)
