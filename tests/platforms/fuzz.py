"""Fuzzing the platforms: mutated payloads end in no unhandled error and in no brand's own words taken for a customer's;
mutated signatures open nothing.

    python -m tests.platforms.fuzz --platform meta --count 200000 --seed 1
    python -m tests.platforms.fuzz --platform x --signatures 100000 --seed 1

Every case has a random generator of its own, made from the seed and the case's number, so that `--case N` repeats it.
"""

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chalicelib import platforms
from chalicelib.apps import App
from chalicelib.codec import dump, load
from chalicelib.conversations.interaction import Interaction, merge
from chalicelib.platforms.base import Poison, Request, SignatureError, Skipped
from chalicelib.platforms.contract import Webhook
from chalicelib.platforms.read import PayloadError
from tests.platforms.case import RECEIVED_AT, Json, PlatformCase
from tests.platforms.cases import CASES

Random = random.Random

BY_PRODUCT = {case.product: case for case in CASES}


def _json(text: str | bytes) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        return None


# --- mutating payloads ------------------------------------------------------------------------------------------------

DEEP: Json = {"id": "1"}
for _ in range(60):
    DEEP = {"a": [DEEP]}

ODD: tuple[Json, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**40, 10**600, -(10**20), 0.5, 1e308, -0.0, 253402300800000),
    *(
        "",
        " ",
        "0",
        "null",
        "\ud800",
        "a\udfffb",
        "\x00",
        "\u202e!",
        "😠" * 50,
        "x" * 20_000,
        "1e5",
        "²",
        "-1",
        "9" * 600,
    ),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "<script>", "' OR 1=1", "../../etc", "true"),
    *([], {}, [[]], [{}], {"id": {}}, {"id": []}, [None], {"": ""}, DEEP),
)


@dataclass(frozen=True, slots=True)
class Corpus:
    """The payloads of one platform, and what of them a mutation can put elsewhere."""

    payloads: list[tuple[PlatformCase, Json]]
    parts: list[Json]
    keys: list[str]
    own: list[str]


def corpus(platform: str) -> Corpus:
    cases = [c for c in CASES if c.app.platform == platform]
    payloads = [(c, json.loads(p.read_bytes())) for c in cases for p in c.payloads()]
    places = [place for _, payload in payloads for place in walk(payload)]
    parts = [parent[key] for parent, key in places]
    keys = sorted({key for _, key in places if isinstance(key, str)})
    return Corpus(payloads, parts, keys, sorted({a.id for c in cases for a in c.app.accounts}))


def walk(payload: Json) -> list[tuple[Json, Any]]:
    """Every place in `payload` as (parent, key)."""
    places, parents = [], [payload]
    while parents:
        parent = parents.pop()
        keys = list(parent) if isinstance(parent, dict) else range(len(parent))
        for key in keys:
            places.append((parent, key))
            if isinstance(parent[key], dict | list):
                parents.append(parent[key])
    return places


def _drop(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    del parent[key]


def _odd(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    parent[key] = copied(r.choice(ODD))


def _retype(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    value = parent[key]
    is_number = isinstance(value, str) and value.isdecimal() and len(value) < 400
    ways = [str(value), [value], {"id": value}, int(value) if is_number else 7, not value]
    parent[key] = r.choice(ways)


def _elsewhere(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    parent[key] = copied(r.choice(c.parts))


def _own(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    own = r.choice(c.own)
    parent[key] = int(own) if own.isdecimal() and r.random() < 0.3 else own


def _add(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    if isinstance(parent, dict):
        parent[r.choice(c.keys)] = copied(r.choice(c.parts)) if r.random() < 0.6 else copied(r.choice(ODD))
    else:
        parent.insert(r.randrange(len(parent) + 1), copied(r.choice(c.parts)))


def _rename(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    if isinstance(parent, dict):
        parent[r.choice((*c.keys[:], "", "\ud800", str(key).upper()))] = parent.pop(key)


def _repeat(r: Random, c: Corpus, parent: Json, key: Any) -> None:
    if isinstance(parent, list):
        parent.extend(copied(parent[key]) for _ in range(r.randrange(1, 4)))


MUTATIONS = (_drop, _drop, _odd, _odd, _retype, _elsewhere, _own, _own, _add, _add, _rename, _repeat)


def copied(value: Json) -> Json:
    """A copy; of nothing large, so that copies of copies do not grow without end."""
    if not isinstance(value, dict | list):
        return value
    return json.loads(text) if len(text := json.dumps(value)) < 4000 else None


def mutated(r: Random, c: Corpus) -> tuple[PlatformCase, bytes]:
    """A payload of the corpus after one to six mutations, as bytes; sometimes the bytes themselves are damaged."""
    case, original = r.choice(c.payloads)
    payload = json.loads(json.dumps(original))
    for _ in range(r.choice((1, 1, 1, 2, 3, 6))):
        places = walk(payload)
        if places:
            r.choice(MUTATIONS)(r, c, *r.choice(places))
    body = json.dumps(payload, ensure_ascii=r.random() < 0.9).encode("utf-8", "surrogatepass")
    if r.random() < 0.05:
        at = r.randrange(len(body) + 1)
        body = r.choice((body[:at], body[:at] + r.randbytes(3) + body[at:], body.replace(b"1", b"1e999", 1)))
    return case, body


# --- what must hold ---------------------------------------------------------------------------------------------------


class Broken(AssertionError):
    """A promise was broken; the message names it."""


def judge(case: PlatformCase, body: bytes) -> Counter[str]:
    """Parses `body` and counts what was found; raises Broken, or whatever the parser let through."""
    webhook = platforms.webhook(case.app.platform)
    assert webhook
    counts: Counter[str] = Counter()
    echoed = case.echoes(_json(body))
    try:
        for found in webhook.parse(case.app, body, RECEIVED_AT):
            if isinstance(found, Interaction):
                counts["interactions"] += 1
                _judge_interaction(case.app, found, echoed)
            elif isinstance(found, Poison):
                counts["poison"] += 1
                _require(bool(found.reason) and len(found.reason) < 100, "a reason that can be logged")
            else:
                counts["skipped"] += 1
                _require(isinstance(found, Skipped) and len(found.reason) < 100, "a reason that can be counted")
                found.reason.encode()
    except PayloadError:
        counts["refused whole"] += 1
    return counts


def _judge_interaction(app: App, found: Interaction, echoed: set[str]) -> None:
    own = {a.id for a in app.accounts if a.product == found.product}
    _require(found.account in own, "an account of the app")
    _require(bool(found.id), "an id")
    if not found.brand:
        is_author = BY_PRODUCT[found.product].writes and found.author in own
        _require(not is_author, "the brand's own id is not a customer")
        marked = BY_PRODUCT[found.product].marks.get(found.private)
        named = found.author is not None  # nobody is answered whom the payload does not name
        _require(
            not (named and marked and marked(_json(found.raw), own)), "what is marked as the brand's is the brand's"
        )
        _require(found.raw not in echoed, "an echo is the brand's")
    plain = dump(merge(None, found))
    json.dumps(plain, ensure_ascii=False).encode()  # can be stored: no lone surrogates
    again = load(Interaction, json.loads(json.dumps(plain)))
    _require(merge(again, found).id == found.id, "what is stored can be read back and merged")
    if found.window:
        assert found.at + found.window


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


def run_payloads(platform: str, count: int, seed: int, first: int = 0) -> Counter[str]:
    """`count` mutated payloads of `platform`; raises at the first that breaks a promise, with its number in a note."""
    c, counts = corpus(platform), Counter[str]()
    for number in range(first, first + count):
        case, body = mutated(Random(f"{seed}:{number}"), c)
        try:
            counts += judge(case, body)
        except Exception as error:
            error.add_note(f"{platform}: seed {seed}, case {number}, from {case.product}'s payloads")
            raise
    return counts


# --- mutating signatures ----------------------------------------------------------------------------------------------


def _changed_character(r: Random, value: str) -> str:
    at = r.randrange(len(value))
    return value[:at] + r.choice("0123456789abcdefABCDEF+/=-_ é\x00") + value[at + 1 :]


SIGNATURE_MUTATIONS: tuple[Callable[[Random, str], str], ...] = (
    _changed_character,
    _changed_character,
    lambda r, v: v[: r.randrange(len(v))],
    lambda r, v: v + r.choice("0aA= ,;\n\x00é"),
    lambda r, v: r.choice(" \t,0\x00") + v,
    lambda r, v: v.swapcase(),
    lambda r, v: v.partition("=")[2],
    lambda r, v: v.replace("sha256", r.choice(("sha1", "SHA256", "md5", "none", ""))),
    lambda r, v: "".join(r.sample(v, len(v))),
    lambda r, v: v[::-1],
    lambda r, v: v * 2,
    lambda r, v: r.choice(("", "null", "sha256=", "v1,", "Bearer ", "0" * 64, "sha256=" + "0" * 64)),
)


def run_signatures(case: PlatformCase, count: int, seed: int) -> int:
    """Tries `count` wrong signatures, and as many changed bodies; how many were tried. Raises Broken if one opens."""
    webhook = platforms.webhook(case.app.platform)
    assert webhook
    body, tried = case.body("question"), 0
    headers = case.sign(case.app.secrets[0], body, RECEIVED_AT)
    for number in range(count):
        r = Random(f"{seed}:{number}")
        value = r.choice(SIGNATURE_MUTATIONS)(r, headers[case.header])
        changed = bytearray(body)
        changed[r.randrange(len(body))] ^= r.randrange(1, 256)
        trials = [({**headers, case.header: value}, body)] if _differs(value, headers[case.header]) else []
        trials += [(headers, bytes(changed))] if case.signs_body else []
        for tampered, content in trials:
            tried += 1
            if _opens(webhook, case.app, tampered, content):
                raise Broken(f"{case.product}: seed {seed}, signature {number} was accepted")
    return tried


def _differs(value: str, good: str) -> bool:
    """Whether `value` proves nothing: lists of signatures may hold the good one among others, by their standard."""
    return good not in value.split(" ") and value.strip() != good


def _opens(webhook: Webhook, app: App, headers: dict[str, str], body: bytes) -> bool:
    try:
        webhook.verify(app, Request("POST", headers, {}, body, RECEIVED_AT))
    except SignatureError:
        return False
    return True


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tests.platforms.fuzz", description="Fuzz one platform's parser and signature check."
    )
    parser.add_argument("--platform", required=True, choices=platforms.PLATFORMS)
    parser.add_argument("--count", type=int, default=0, help="mutated payloads")
    parser.add_argument("--signatures", type=int, default=0, help="mutated signatures (and as many changed bodies)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="repeat only this one payload, and print it")
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    if options.case is not None:
        print(mutated(Random(f"{options.seed}:{options.case}"), corpus(options.platform))[1].decode("utf-8", "replace"))
        run_payloads(options.platform, 1, options.seed, options.case)
    if options.count:
        counts = run_payloads(options.platform, options.count, options.seed)
        print(
            f"{options.platform}: {options.count} mutated payloads, seed {options.seed}: {dict(sorted(counts.items()))}"
        )
    if options.signatures:
        case = next(c for c in CASES if c.app.platform == options.platform)
        tried = run_signatures(case, options.signatures, options.seed)
        print(f"{options.platform}: {tried} wrong signatures and changed bodies, seed {options.seed}: none accepted")
    print(f"{time.perf_counter() - began:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
