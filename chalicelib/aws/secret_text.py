"""A text in Secrets Manager, however long: what exceeds one secret value is packed and lies in several versions of the
same secret, so that one permission and one price cover it.

A value holds 65,536 bytes, about 70 shops with three products each. The head, the current version, names its parts by a
digest and is put last: a reader finds the old text whole or the new one whole.
Source: https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
"""

import base64
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from typing import Any

LARGEST = 60_000  # characters of one value, with room for the head's other fields
MOST_PARTS = 9  # two generations of labels stay below the twenty that a secret may have
CURRENT = "AWSCURRENT"


class TooLong(ValueError):
    """Even packed it exceeds what one secret can hold."""


ReadVersion = Callable[[str], str]
"""The secret's value at a staging label."""


def pack(text: str) -> tuple[str, dict[str, str]]:
    """The head, and the parts by their staging labels (none for a text that fits). Raises TooLong."""
    if len(text.encode()) <= LARGEST:
        return text, {}
    packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    digest = hashlib.sha256(packed.encode()).hexdigest()[:16]
    cut = [packed[at : at + LARGEST] for at in range(0, len(packed), LARGEST)]
    if len(cut) > MOST_PARTS:
        raise TooLong(f"packed it has {len(packed):,} characters, and one secret holds {LARGEST * MOST_PARTS:,}")
    labels = {f"part-{digest}-{n}": part for n, part in enumerate(cut)}
    return json.dumps({"packed": list(labels)}), labels


def unpack(head: str, read: ReadVersion) -> str:
    """The text whose head this is."""
    labels = _labels(head)
    if not labels:
        return head
    return zlib.decompress(base64.b64decode("".join(read(label) for label in labels))).decode()


def _labels(head: str) -> list[str]:
    if not head.startswith('{"packed":'):
        return []
    return list(json.loads(head)["packed"])


def put(client: Any, id: str, text: str) -> None:
    """Puts `text` into the secret `id` with boto3's `client`, then lets go of the parts of the text before. Raises
    TooLong, with nothing changed."""
    head, parts = pack(text)
    before = _labels(client.get_secret_value(SecretId=id)["SecretString"])
    for label, part in parts.items():
        if label not in before:
            client.put_secret_value(SecretId=id, SecretString=part, VersionStages=[label])
    client.put_secret_value(SecretId=id, SecretString=head)
    _let_go(client, id, [label for label in before if label not in parts])


def _let_go(client: Any, id: str, labels: list[str]) -> None:
    stages: Mapping[str, list[str]] = client.describe_secret(SecretId=id)["VersionIdsToStages"]
    for version, held in stages.items():
        for label in (name for name in held if name in labels):
            client.update_secret_version_stage(SecretId=id, VersionStage=label, RemoveFromVersionId=version)


def get(client: Any, id: str) -> str:
    """The text in the secret `id`, with boto3's `client`."""

    def read(label: str) -> str:
        return str(client.get_secret_value(SecretId=id, VersionStage=label)["SecretString"])

    return unpack(read(CURRENT), read)
