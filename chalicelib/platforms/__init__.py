"""Every platform, imported when its first delivery comes; the names stand in chalicelib.registry."""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import cast

from chalicelib import registry
from chalicelib.platforms.contract import Product, Webhook

PLATFORMS = tuple(registry.WEBHOOKS)
PRODUCTS = tuple(registry.PRODUCTS)


def webhook(platform: str) -> Webhook | None:
    """The webhook side of `platform` (as in /webhooks/{platform}/…), if there is one."""
    return cast(Webhook, _module(registry.WEBHOOKS[platform]).WEBHOOK) if platform in registry.WEBHOOKS else None


def product(name: str) -> Product:
    """The reply side of the product `name`; raises KeyError when there is none."""
    return cast(Product, _module(registry.PRODUCTS[name].module).PRODUCT)


def title(name: str, language: str = "en") -> str:
    """What people call the product `name` in `language`; in English where the platform has no other name for it."""
    return product(name).named(language) if name in registry.PRODUCTS else name


@cache
def _module(name: str) -> ModuleType:
    return import_module(f"{__name__}.{name}")
