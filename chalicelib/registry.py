"""The registry: one line a product (what an account is of), with the platform whose webhook tells of it, as in
/webhooks/{platform}/….

Names only, so that the apps file can be checked without importing a platform; `chalicelib.platforms` imports a module
when its first delivery comes.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Product(NamedTuple):
    """Whose webhook tells of it, the module in chalicelib/platforms, what its accounts may have besides id, product,
    name and token; `direct`: public, and the customer can write to the shop alone."""

    platform: str
    module: str
    options: tuple[str, ...] = ()
    direct: bool = False


PRODUCTS: Mapping[str, Product] = {
    "facebook": Product("meta", "meta.facebook", direct=True),
    "messenger": Product("meta", "meta.messenger"),
    "instagram": Product("meta", "meta.instagram", ("login", "page_id"), direct=True),
    "whatsapp": Product("meta", "meta.whatsapp", ("phone_number_id", "waba_id")),
    "x": Product("x", "x.platform", ("allow_links", "app_token", "consumer_key", "token_secret"), direct=True),
    "standard": Product("standard", "standard", ("reply_url",)),
    "telegram": Product("telegram", "telegram.platform", ("brand_users",)),
    "discourse": Product("discourse", "discourse", ("api_username", "base_url", "brand_users", "private_messages")),
    "line": Product("line", "line"),
    "google": Product("google", "google.platform", ("client_id", "client_secret", "refresh_token")),
    "mastodon": Product("mastodon", "mastodon", ("base_url",), direct=True),
}

# platform → the module with its webhook: that of its product, but where one webhook serves several
_SHARED = {"meta": "meta.webhook"}
WEBHOOKS: Mapping[str, str] = {p.platform: _SHARED.get(p.platform, p.module) for p in PRODUCTS.values()}
