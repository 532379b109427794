"""The only reader of the environment."""

import os
from collections.abc import Mapping
from typing import NamedTuple


class SettingsError(ValueError):
    """A variable is missing or wrong; the message names it."""


class Settings(NamedTuple):
    """Where everything is. `apps_secret` (a Secrets Manager id) or `apps_file` holds the registrations."""

    table: str
    inbox_url: str
    due_url: str
    escalations_url: str
    quarantine_url: str  # the inbox's dead letters
    state_machine_arn: str
    mail_from: str
    mail_events: str = ""  # SES configuration set
    apps_secret: str = ""
    apps_file: str = ""
    keys_secret: str = ""  # a Secrets Manager id: the stack's own random keys
    playbook_file: str = ""  # instead of the packaged one
    platforms_via: str = ""  # address that stands in for the platforms' APIs
    facts_bucket: str = ""  # S3: the facts, the newest forecast and report
    public_url: str = ""  # where the e-mail's links lead
    reply_domain: str = ""  # receives answers by e-mail; none: off
    mail_bucket: str = ""  # into which SES puts them
    dead_letters: str = ""  # addresses of the other queues' dead letters, with spaces between them
    facts_letters: str = ""  # address of the facts' dead letters
    retention_days: int = 90
    stage: str = "local"
    handler: str = ""  # "app.respond": the function that Lambda starts here; set by Lambda itself

    @property
    def account(self) -> str:
        """The AWS account in which everything is, "" where it is not known."""
        parts = self.state_machine_arn.split(":")
        return parts[4] if len(parts) > 4 and parts[4].isdigit() else ""


_NAMES = {
    "table": "EARSHOT_TABLE",
    "inbox_url": "EARSHOT_INBOX_URL",
    "due_url": "EARSHOT_DUE_URL",
    "escalations_url": "EARSHOT_ESCALATIONS_URL",
    "quarantine_url": "EARSHOT_QUARANTINE_URL",
    "state_machine_arn": "EARSHOT_STATE_MACHINE_ARN",
    "mail_from": "EARSHOT_MAIL_FROM",
    "mail_events": "EARSHOT_MAIL_EVENTS",
    "apps_secret": "EARSHOT_APPS_SECRET",
    "apps_file": "EARSHOT_APPS_FILE",
    "keys_secret": "EARSHOT_KEYS_SECRET",
    "playbook_file": "EARSHOT_PLAYBOOK_FILE",
    "platforms_via": "EARSHOT_PLATFORMS_VIA",
    "facts_bucket": "EARSHOT_FACTS_BUCKET",
    "public_url": "EARSHOT_PUBLIC_URL",
    "reply_domain": "EARSHOT_REPLY_DOMAIN",
    "mail_bucket": "EARSHOT_MAIL_BUCKET",
    "dead_letters": "EARSHOT_DEAD_LETTERS",
    "facts_letters": "EARSHOT_FACTS_DEAD_LETTERS",
    "retention_days": "EARSHOT_RETENTION_DAYS",
    "stage": "EARSHOT_STAGE",
    "handler": "_HANDLER",
}


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings in the environment; a variable that is not set is empty. Raises SettingsError on a bad number."""
    values = {field: environment.get(name, "") for field, name in _NAMES.items()}
    days = values.pop("retention_days") or "90"
    if not days.isdigit() or int(days) < 1:
        raise SettingsError(f"{_NAMES['retention_days']} must be a whole number of days, at least 1")
    values["public_url"] = values["public_url"].rstrip("/")  # a function URL is given with one
    return Settings(**values, retention_days=int(days))


def variables(settings: Settings) -> dict[str, str]:
    """The environment that `read_settings` reads back as `settings`."""
    return {name: str(getattr(settings, field)) for field, name in _NAMES.items()}
