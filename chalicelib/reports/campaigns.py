"""What became of the questions whose reply had a campaign's line, beside the same kinds of question without one."""

from dataclasses import dataclass

from chalicelib.reports.asked import Asked


@dataclass(frozen=True, slots=True)
class Followed:
    """`said` replies with the line to `people`; how many of these wrote again before an answer, complained, said
    thanks. `usual_…` are the shares of the same kinds of question, answered automatically without a line (`usual` of
    them); None where there is none. None of it says that the line was the reason."""

    campaign: str
    said: int
    people: int
    again: int
    complained: int
    thanked: int
    usual: int
    usual_again: float | None
    usual_complained: float | None


def followed(asked: Asked) -> tuple[Followed, ...]:
    """Each campaign whose line was said, the most frequent first."""
    rows = asked.rows("""
        WITH said AS (SELECT * FROM asked WHERE campaign IS NOT NULL),
        kinds AS (SELECT DISTINCT campaign, intent FROM said),
        usual AS (
          SELECT kinds.campaign, count(*) AS n, avg(CAST(follow_ups > 0 AS INT)) AS again,
            avg(CAST(coalesce(reaction = 'complaint', FALSE) AS INT)) AS complained
          FROM kinds JOIN asked ON asked.intent = kinds.intent AND asked.rung = 'own' AND asked.campaign IS NULL
          GROUP BY kinds.campaign)
        SELECT said.campaign, count(*), count(DISTINCT customer), count(*) FILTER (WHERE follow_ups > 0),
          count(*) FILTER (WHERE reaction = 'complaint'), count(*) FILTER (WHERE reaction = 'thanks'),
          coalesce(any_value(usual.n), 0), any_value(usual.again), any_value(usual.complained)
        FROM said LEFT JOIN usual ON usual.campaign = said.campaign
        GROUP BY said.campaign ORDER BY count(*) DESC, said.campaign
    """)
    return tuple(Followed(*row) for row in rows)
