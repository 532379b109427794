"""`make rotate-key`: a new key of the stack for links, reply addresses and pseudonyms."""

import argparse

from chalicelib.keys import load_keys, new_keys
from chalicelib.services import Services
from chalicelib.settings import Settings
from infra.ops.stage import client


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fresh", action="store_true")


def run(given: argparse.Namespace, services: Services) -> int:
    rotate_key(services.settings, fresh=given.fresh)
    print("a new key signs links from now on; links made with the one before open until the next rotation")
    return 0


def rotate_key(settings: Settings, *, fresh: bool = False) -> None:
    """Makes a new key for links, reply addresses and pseudonyms; the present one goes on verifying until the next
    rotation. `fresh` begins anew where the secret is damaged: every link under way is void. Raises KeysError."""
    secrets = client("secretsmanager")
    found = secrets.get_secret_value(SecretId=settings.keys_secret)["SecretString"]
    keys = new_keys() if fresh else load_keys(found).rotated()
    secrets.put_secret_value(SecretId=settings.keys_secret, SecretString=keys.dump())
