"""The rows that the contract (test_contract.py) and the fuzz runs go over: one file a platform, as in the registry."""

from importlib import import_module

from chalicelib import platforms
from tests.platforms.case import PlatformCase

CASES: tuple[PlatformCase, ...] = tuple(
    case for name in platforms.PLATFORMS for case in import_module(f"{__name__}.{name}").CASES
)
