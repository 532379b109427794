"""The weekly e-mail: the report's first screen with the same pictures, in the language of the team that gets it."""

from datetime import datetime
from pathlib import Path
from typing import Final

from chalicelib.aws.mailer import Email
from chalicelib.emails.rendering import environment
from chalicelib.emails.safe_text import clean
from chalicelib.playbook.parts import Team
from chalicelib.reports.charts import pictures, png
from chalicelib.reports.first import figures
from chalicelib.reports.report import Report
from chalicelib.reports.say import say_in

KIND: Final = "report"
TEMPLATES: Final = Path(__file__).with_name("templates")
SHOWN: Final = ("days", "people", "broken")  # the pictures that an e-mail has room for


def weekly(report: Report, team: Team, page: str, valid_until: datetime, claim: str) -> Email:
    """The e-mail to `team`; `page` is the address of the whole report, "" where there is none."""
    say = say_in(team.language, report.policy.zone, report.policy.teams)
    total = report.ledger.total
    drawn = [p for p in pictures(report, say) if p.name in SHOWN] if not report.empty else []
    view = {
        "say": say,
        "shop": report.policy.shop,
        "span": say.between(report.since.astimezone(report.policy.zone), report.last.astimezone(report.policy.zone)),
        "figures": () if report.empty else figures(report, say),
        "advice": [say.advice(a) for a in report.advice],
        "pictures": [(p.name, say(f"picture_{p.name}"), p.says) for p in drawn],
        "page": page,
        "valid": say("weekly_valid", until=say.day(valid_until.astimezone(report.policy.zone))),
    }
    kept = say.percent(total.attainment)
    title = say("weekly_subject", shop=report.policy.shop, asked=say.count(total.asked), kept=kept)
    subject = title if not report.empty else f"{report.policy.shop}: {say('weekly_empty')}"
    text, html = (str(environment(TEMPLATES).get_template(f"weekly.{kind}").render(view)) for kind in ("txt", "html"))
    return Email(
        team.email,
        clean(f"[Earshot] {subject}", 150, one_line=True),
        text,
        html,
        {"kind": KIND, "to": "team", "once": claim},
        team.email,
        images={p.name: png(p) for p in drawn},
    )
