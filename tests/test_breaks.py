"""The breaks of tests/breaks.py keep step with the product: one that cannot be called is seen whatever it breaks."""

import inspect

import pytest

from tests.breaks import BREAKS


@pytest.mark.parametrize("name", BREAKS)
def test_what_stands_in_takes_whatever_the_product_gives(name: str) -> None:
    for place, function, replacing in BREAKS[name]:
        whole = getattr(place, function)
        taken = inspect.signature(whole).parameters.values()
        by_place = [p for p in taken if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        by_name = {p.name: None for p in taken if p.kind is p.KEYWORD_ONLY}
        inspect.signature(replacing(whole)).bind(*by_place, **by_name)
