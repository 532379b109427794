"""Evaluate the shipped model and write its card: `python -m models.card [--model MODEL] [--also FILE.jsonl …]`.

Nested cross-validation over the project's utterances, the held-out messages, the fit test and its traps, and with
--also the official splits of other data sets, on which a model of the recipe for those is trained. Prints the tables,
writes CARD.md and the curves.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from chalicelib.conversations.interaction import Rung
from chalicelib.intents import DEFAULT_MODEL, IntentModel
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, load_playbook
from chalicelib.reading.features import TEXT_CAP
from models.cross import INNER_FOLDS, OUTER_FOLDS, nested
from models.decide import Promise, mixed
from models.draw import draw_coverage, draw_reliability
from models.fit_check import check
from models.policy import HARD, MIX, NEVER
from models.predict import Prediction, columns, predict
from models.rows import VALIDATION, Row, from_file, utterances
from models.scores import IntentScores, Ladder, Scores, by_intent, ladder, score
from models.training import SHIPPED_PROMISE, Plan, train
from models.weights import Recipe

FOLDER = Path(__file__).parent
HELD_OUT = FOLDER / "held_out.jsonl"


def benchmark(path: Path) -> tuple[list[Prediction], IntentModel]:
    """A model of the recipe for data sets, trained and calibrated on the file's splits, and its answers to `test`."""
    rows = from_file(path)
    plan = Plan(recipe=Recipe(), promise=Promise())
    held_out = [row for row in rows if row.split in VALIDATION]
    model = IntentModel(train([row for row in rows if row.split == "train"], plan, held_out).content)
    return predict(model, [row for row in rows if row.split == "test"]), model


def score_table(named: Mapping[str, Scores]) -> str:
    """A Markdown table, one line for each set of rows."""
    lines = [
        "| rows | n | in scope | accuracy | OOS AUROC | answered at 98 % | at 95 % | accepted | precision"
        " | 95 % sure of | questions acknowledged | out of scope acknowledged | ECE |",
        "|---|" + "---:|" * 12,
    ]
    for name, found in named.items():
        figures = (
            found.accuracy,
            found.auroc,
            found.answered_at_98,
            found.answered_at_95,
            found.accepted,
            found.precision,
            found.precision_bound,
            found.coverage,
            found.false_acknowledgements,
            found.calibration_error,
        )
        lines.append(f"| {name} | {found.rows} | {found.in_scope} | " + " | ".join(map(_figure, figures)) + " |")
    return "\n".join(lines)


def ladders(predictions: Sequence[Prediction]) -> dict[str, Ladder]:
    """The ladder's scores by the language that the model hears, and of all that it hears one in."""
    heard = [each for each in predictions if each.reading.language]
    spoken = [each.reading.language or "" for each in heard]
    weights = mixed([each.row for each in heard], spoken, SHIPPED_PROMISE, NEVER)
    found = {"all": ladder(heard, weights)}
    for language in sorted(set(spoken)):
        mine = [number for number, code in enumerate(spoken) if code == language]
        found[language] = ladder([heard[number] for number in mine], weights[mine])
    return found


def ladder_table(found: Mapping[str, Ladder]) -> str:
    """A Markdown table, one line a language."""
    lines = [
        "| language | messages | own: replies, right | topic | general | all right | 95 % sure of | questions helped"
        " | with their own reply | strangers answered | urgent found | others called urgent |",
        "|---|" + "---:|" * 11,
    ]
    for name, each in found.items():
        rungs = " | ".join(f"{each.replies[rung]}, {_figure(each.right[rung])}" for rung in Rung)
        figures = (each.all_right, each.bound, each.helped, each.helped_own, each.strangers)
        urgent = " | ".join(map(_figure, (*figures, each.urgent_found, each.urgent_wrongly)))
        lines.append(f"| {name} | {each.messages} | {rungs} | {urgent} |")
    return "\n".join(lines)


def threshold_table(model: IntentModel) -> str:
    """The thresholds, a line a rung, a column a language."""
    languages = sorted({code for by in model.thresholds.values() for code in by})
    lines = [f"| rung | promise | {' | '.join(languages)} |", "|---|---:|" + "---:|" * len(languages)]
    for rung in Rung:
        chosen = model.thresholds.get(rung, {})
        values = " | ".join(_figure(chosen.get(code)) for code in languages)
        lines.append(f"| {rung} | {SHIPPED_PROMISE.of(rung):.3f} | {values} |")
    return "\n".join(lines)


def intent_table(intents: Mapping[str, IntentScores], never: Collection[str]) -> str:
    """A Markdown table, one line an intent; those never acknowledged are marked."""
    lines = ["| intent | rows | right | acknowledged | precision |", "|---|---:|---:|---:|---:|"]
    for intent, found in intents.items():
        name = f"{intent} (never)" if intent in never else intent
        lines.append(
            f"| {name} | {found.rows} | {found.right:.2f} | {found.acknowledged:.2f} | {_figure(found.precision)} |"
        )
    return "\n".join(lines)


def card(model: IntentModel, rows: Sequence[Row], predictions: Sequence[Prediction], scores: str, fit: str) -> str:
    """The text of CARD.md."""
    languages = Counter(row.language for row in rows)
    counted = ", ".join(f"{count} {language}" for language, count in sorted(languages.items()))
    heard = sum(each.reading.language == each.row.language for each in predictions if each.row.language != "und")
    misheard = sum(each.reading.language not in (None, each.row.language) for each in predictions)
    served = len(rows) - languages["und"]
    bounds = ", ".join(f"{label} {bound:.3f}" for label, bound in sorted(model.bounds.items()))
    mix = ", ".join(f"{share:.0%} {name}" for name, share in MIX.items())
    return f"""# The intent model's card

Written by `python -m models.card`; do not edit. Model `{model.hash}`.

**On 1,133 real messages to retailers, which are not here, the replies of the release before this ladder helped in .82
of the cases, whatever its card said. This model is to be measured on real messages again by others; until then, nothing
below says what it is worth there.**

## Data
{len(rows)} utterances written for this project ({counted}; und = not served), {len(model.classes)} intents; SHA-256
of the rows `{model.header["trained_on"]["sha256"]}`.
Many are hard on purpose: half-said, sarcastic, with the words of another intent, other industries' questions that use a
shop's words, and pairs that say the same words and mean the opposite; the others are ordinary questions. Half of them
are learnt a second time beside another sentence, with typos or a hashtag. Their writers marked which are paraphrases of
each other; ordinary questions of different groups still resemble each other, so that nested figures are better than on
shops that talk differently.

`held_out.jsonl` was written by the model's author before the utterances were read. No model learns it, but it was
looked at while the recipe was chosen, and it is easier than the utterances: its figures are optimistic.
`fit/` (ordinary questions, traps, urgent messages) was written for its test, apart from the training rows. No model
learns it and no threshold is chosen on it; the promises below were set with its tables in view, so that they flatter a
little. Its questions are easier than real ones, too.

## Decisions
An automatic reply stands on one of three rungs; each has its own promise (least share of right replies, with 95 %
certainty) and its own threshold in each language, chosen out of fold on that language's messages, guards included.
The messages are weighed to what first contacts are, as far as known: {mix}
(common questions; matters for people; nothing to answer). The last are hard on purpose here and count {HARD} each: of
such rows the release before acknowledged 1.3 %, of random real messages .34 %. Besides, at most
{SHIPPED_PROMISE.strangers:.1%} of a language's chat and other industries' messages may be answered.

{threshold_table(model)}

Bounds for closing without an answer ({SHIPPED_PROMISE.closing:.0%} right, with the same certainty, on rows of which
nearly every fifth that sounds like thanks is a complaint):
{bounds or "none can keep it, so nothing is closed"}.
Never acknowledged with a reply of their own: {", ".join(sorted(model.never))}.
Urgent: at most {SHIPPED_PROMISE.urgent:.1%} of a language's other messages besides those that words call.

## Scores of the whole path: model and guards
Utterances by nested cross-validation: {OUTER_FOLDS} outer and {INNER_FOLDS} inner folds, groups of paraphrases never
parted, calibration and thresholds chosen inside, all through the serving code. Shares of right replies are weighed to
the mix; *questions helped* are the common questions that get a right reply on any rung.

{ladder_table(ladders(predictions))}

Of the rows in served languages {heard / served:.1%} are heard in their own language; {misheard / len(rows):.2%} of all
rows are taken for a wrong one.

## The fit test
`python -m models.fit_check`: the decision of the running system, playbook included, on `fit/`.

```
{fit}
```

## Scores of the intents alone
*Answered at 98 %*: right answers as a share of the rows in scope, at the largest coverage with that precision, out of
scope in the mix. *Accepted* is the own rung.

{scores}

![reliability](reliability.png) ![coverage and precision](coverage.png)

{intent_table(by_intent(predictions), model.never)}

## Corrections
What staff correct is learnt by `models.train_from_corrections`. On real messages the first few hundred corrections
changed nothing that could be measured; they begin to help near 1,000.

## Limits
- Not seen by anyone here: real messages. The precision on them may be lower or higher than any figure above.
- One intent a message: two matters in one message get the topic's or the general reply; the rest is people's.
- Languages: English, German, French, Spanish; of anything else, and of texts too short to tell, the language is None.
- No memory: a reply in mid-thread is read alone. Images, links and most sarcasm are not understood.
- The first {TEXT_CAP:,} characters of a message are read.
"""


def _figure(value: float | int | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the card and prints its table; returns 0."""
    parser = argparse.ArgumentParser(prog="python -m models.card", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--also", type=Path, nargs="*", default=[], help="data sets with the splits train and test")
    parser.add_argument("--out", type=Path, default=FOLDER, help="the folder to write to")
    options = parser.parse_args(argv)
    model, rows = IntentModel.load(options.model), utterances()
    predictions = [each for fold in nested(rows, Plan()) for each in fold]
    named = {
        "utterances, nested": columns(predictions, model.never),
        "held-out messages": columns(predict(model, from_file(HELD_OUT)), model.never),
    }
    scores = {name: score(found, model.threshold) for name, found in named.items()}
    for path in options.also:
        answers, other = benchmark(path)
        named[path.stem] = columns(answers, other.never)
        scores[path.stem] = score(named[path.stem], other.threshold)
    draw_reliability(named, options.out / "reliability.png")
    draw_coverage(named, options.out / "coverage.png")
    playbook = load_playbook(DEFAULT_PLAYBOOK.read_text("utf-8"), DEFAULT_PLAYBOOK.name)
    fit = "\n".join(check(model, playbook).lines())
    table = score_table(scores)
    (options.out / "CARD.md").write_text(card(model, rows, predictions, table, fit), encoding="utf-8")
    print(f"{ladder_table(ladders(predictions))}\n\n{table}\n\n{fit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
