"""A few thousand of the fuzz cases that `python -m tests.platforms.fuzz` runs at full size."""

import pytest

from chalicelib import platforms
from tests.platforms.case import PlatformCase
from tests.platforms.cases import CASES
from tests.platforms.fuzz import run_payloads, run_signatures

PAYLOADS, SIGNATURES, SEED = 3000, 500, 20261121


@pytest.mark.parametrize("platform", platforms.PLATFORMS)
def test_mutated_payloads_end_in_no_error_and_no_brand_taken_for_a_customer(platform: str) -> None:
    counts = run_payloads(platform, PAYLOADS, SEED)
    assert counts["interactions"] > PAYLOADS / 10 and counts["poison"] and counts["skipped"] and counts["refused whole"]


@pytest.mark.parametrize("case", [pytest.param(c, id=c.product) for c in CASES])
def test_no_mutated_signature_and_no_changed_body_is_accepted(case: PlatformCase) -> None:
    assert run_signatures(case, SIGNATURES, SEED) > SIGNATURES / 2
