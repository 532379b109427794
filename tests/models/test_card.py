"""The card says of a model what its own figures are."""

from chalicelib.intents import DEFAULT_MODEL, IntentModel
from models.card import card
from models.predict import predict
from models.rows import utterances


def test_every_figure_of_the_card_is_filled_in() -> None:
    model, rows = IntentModel.load(DEFAULT_MODEL), utterances()[::50]
    text = card(model, rows, predict(model, rows), "the scores", "the fit test, {not} a field")
    assert "{not}" in text and not {"{", "}"} & set(text.replace("{not}", ""))
    assert model.hash in text and f"{len(rows)} utterances" in text and "the scores" in text
