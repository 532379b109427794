"""The registry: one line a platform, one line a product. A module is imported when its first delivery comes."""

from importlib import import_module
from typing import cast

from chalicelib.platforms.base import Product, Webhook

_WEBHOOKS = {
    "meta": "meta.webhook",
    "x": "x.platform",
    "standard": "standard",
    "telegram": "telegram.platform",
    "discourse": "discourse",
    "line": "line",
    "google": "google.platform",
}

_PRODUCTS = {
    "facebook": "meta.facebook",
    "messenger": "meta.messenger",
    "instagram": "meta.instagram",
    "whatsapp": "meta.whatsapp",
    "x": "x.platform",
    "standard": "standard",
    "telegram": "telegram.platform",
    "discourse": "discourse",
    "line": "line",
    "google": "google.platform",
}

PLATFORMS = tuple(_WEBHOOKS)
PRODUCTS = tuple(_PRODUCTS)


def webhook(platform: str) -> Webhook | None:
    """The webhook side of `platform` (as in /webhooks/{platform}/…), if there is one."""
    return cast(Webhook, _module(_WEBHOOKS[platform])) if platform in _WEBHOOKS else None


def product(name: str) -> Product:
    """The reply side of the product `name`; raises KeyError when there is none."""
    return cast(Product, _module(_PRODUCTS[name]))


def _module(name: str) -> object:
    return import_module(f"{__name__}.{name}")
