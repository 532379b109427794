"""The apps file: what is wrong in it is refused with file, line and the nearest right word, before it switches anything
off; what an older or newer release stored is read all the same."""

import json
from pathlib import Path
from typing import Any

import pytest

from chalicelib.apps import Account, App, Apps, AppsError, load_apps, read_apps
from chalicelib.ids import IdError, checked, segment
from infra.local.demo_apps import EXAMPLE, demo_text


def written(**changes: Any) -> dict[str, Any]:
    """A registration with one account; a change of `account` is one of the account's fields."""
    account = {"id": "1", "product": "facebook", "token": "t", **changes.pop("account", {})}
    return {"platform": "meta", "app": "main", "secrets": ["s"], "accounts": [account], **changes}


WRONG = [
    ([written(platform="facebok")], ':4: apps[0].platform "facebok" is no platform; do you mean "meta"?'),
    ([written(platform="tiktok")], '"tiktok" is no platform; write one of meta, x, '),
    ([written(account={"product": "facebok"})], '"facebok" is no product of meta; do you mean "facebook"?'),
    ([written(account={"product": "x"})], '"x" is no product of meta; write one of facebook'),
    (
        [written(account={"tokn": "t"})],
        ':14: apps[0].accounts[0].tokn is no key that is known here; do you mean "token"?',
    ),
    ([written(account={"reply_url": "https://shop.example.com"})], "accounts[0].reply_url is no key"),
    ([written(secret=["s"])], ':16: apps[0].secret is no key that is known here; do you mean "secrets"?'),
    ([written(account={"id": "a#b"})], ':11: apps[0].accounts[0].id cannot be used: an id holds "#"'),
    ([written(account={"id": "a b"})], "cannot be used: an id holds white space"),
    ([written(account={"id": "1" * 2000})], "cannot be used: an id is longer than a key can be"),
    ([written(), written(app="second")], ":24: apps[1].accounts[0] this product and id stands in the file before"),
    ([written(), written(account={"id": "2"})], ":17: apps[1] two apps have the same platform and app key"),
    ([written(account={"name": ["Shop"]})], "apps[0].accounts[0].name must be a non-empty string"),
    ([written(secrets=["s", " "])], ":8: apps[0].secrets[1] begins or ends with white space"),
    ([written(secrets=["s\n"])], "apps[0].secrets[0] begins or ends with white space"),
    ([written(verify_token=" v")], "apps[0].verify_token begins or ends with white space"),
    ([written(account={"token": "t\n"})], "apps[0].accounts[0].token begins or ends with white space"),
    ([written(app="ma/in")], "apps[0].app is a part of the webhook's address"),
]


@pytest.mark.parametrize(("rows", "said"), WRONG)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, rows: list[Any], said: str) -> None:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps({"apps": rows}, indent=1), "utf-8")
    with pytest.raises(AppsError) as error:
        read_apps(path)
    assert str(error.value).startswith(f"{path}:") and said in str(error.value)


@pytest.mark.parametrize("key", ["secrets", "accounts", "app", "id"])
def test_a_key_that_stands_twice_is_refused_with_its_line(key: str) -> None:
    text = json.dumps({"apps": [written()]}, indent=1)
    line = next(n for n, row in enumerate(text.splitlines(), 1) if row.strip().startswith(f'"{key}"'))
    whole = text.replace(f'"{key}":', f'"{key}": "old", "{key}":', 1)
    with pytest.raises(AppsError, match=f':{line}: "{key}" stands twice in one object'):
        load_apps(whole)
    assert load_apps(whole, strict=False)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
def test_a_file_that_is_not_utf_8_is_refused_by_that_name(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "shop.json"
    path.write_text(json.dumps({"apps": [written(account={"name": "Café"})]}, ensure_ascii=False), encoding)
    with pytest.raises(AppsError, match="save the file as UTF-8"):
        read_apps(path)
    path.write_text(json.dumps({"apps": [written()]}), "utf-8-sig")
    assert read_apps(path).get("meta", "main")


def test_what_another_release_stored_is_read_and_comments_are_for_people() -> None:
    text = json.dumps({"apps": [written(later=1, account={"newer": True})], "version": 2})
    with pytest.raises(AppsError, match="version is no key"):
        load_apps(text)
    assert load_apps(text, strict=False).apps[0].accounts[0].options == {"newer": True}
    assert load_apps(json.dumps({"apps": [written(_note="of the demo")]})).get("meta", "main")


def test_an_account_of_another_app_in_the_file_is_the_brand() -> None:
    one, other = Account("1", "facebook", "One"), Account("2", "facebook")
    apps = Apps((App("meta", "a", accounts=(one,)), App("meta", "b", accounts=(other,))))
    assert apps.apps[0].is_brand("facebook", "2") and not apps.apps[0].is_brand("x", "2")
    assert (apps.account_name("facebook", "1"), apps.account_name("facebook", "2")) == ("One", "2")
    assert apps.owner("facebook", "2") == (apps.apps[1], other) and apps.owner("facebook", "3") is None


@pytest.mark.parametrize("id", ["", ".", "..", "a b", "a\nb", "a\u202eb", "a\u200bb", "\x00", "ä" * 451, "\ud800"])
def test_what_is_no_id_goes_nowhere(id: str) -> None:
    with pytest.raises(IdError):
        checked(id)
    with pytest.raises(IdError):
        segment(id)


def test_an_id_is_one_segment_of_a_path_whatever_is_in_it() -> None:
    assert segment("../../users/42/muting") == "..%2F..%2Fusers%2F42%2Fmuting"
    assert segment("1?a=b#c&d") == "1%3Fa%3Db%23c%26d" and segment("wamid.HBg==") == "wamid.HBg%3D%3D"


def test_the_example_is_what_the_platforms_files_say() -> None:
    """Mend it with `python -m infra.local.demo_apps && cp build/demo_apps.json infra/local/`."""
    assert EXAMPLE.read_text("utf-8") == demo_text()
