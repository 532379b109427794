"""Guards: what the words of a message forbid, a row of the table and a language at a time."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.conversations.interaction import Rung
from chalicelib.guards import GUARDS, TEXT_CAP, guards, most, urgent
from chalicelib.phrases import ANY, LANGUAGES, found_in

# guard, language, a message that trips it, the same words where it must not
CASES = (
    ("safety", "en", "Your charger caught fire on my desk", "Is the fire pit on sale in your shops?"),
    ("safety", "de", "Der Toaster hat Feuer gefangen", "Habt ihr Feuerzeuge im Angebot?"),
    ("safety", "fr", "La bouilloire a pris feu ce matin", "Vendez-vous des pare-feu pour cheminée ?"),
    ("safety", "fr", "Le flacon a explosé dans la cuisine", "Le miroir est arrivé explosé dans son carton"),
    ("safety", "es", "La freidora se incendió anoche", "¿Venden fuegos artificiales en la tienda?"),
    ("takeover", "en", "Someone got into my account and changed the password", "How can I get into my account?"),
    ("takeover", "de", "Mein Kundenkonto wurde gehackt", "Wie komme ich in mein Kundenkonto?"),
    ("takeover", "fr", "Mon compte a été piraté", "Comment accéder à mon compte ?"),
    ("takeover", "es", "Me hackearon la cuenta", "¿Cómo entro en mi cuenta?"),
    ("fraud", "en", "There are two payments on my card that I never made", "My card payment was refused, why?"),
    ("fraud", "de", "Jemand hat mit meiner Karte bei euch bestellt", "Kann ich mit Karte bezahlen?"),
    ("fraud", "fr", "Un faux site utilise votre logo", "Le site est en panne ?"),
    ("fraud", "es", "Me clonaron la tarjeta después de comprar aquí", "¿Puedo pagar con tarjeta?"),
    ("legal", "en", "My solicitor will be in touch", "Do you sell files?"),
    ("legal", "de", "Sie hören von meinem Anwalt", "Wo ist mein Paket geblieben?"),
    (
        "legal",
        "fr",
        "Je vais porter plainte contre vous",
        "Je voudrais porter cette robe samedi, arrive-t-elle avant ?",
    ),
    ("legal", "es", "Voy a poner una denuncia en consumo", "¿Cuál es el horario de la tienda?"),
    ("grief", "en", "My dad died last week, please close his account", "The battery died after a week, is it covered?"),
    (
        "grief",
        "de",
        "Meine Mutter ist verstorben, was passiert mit dem Konto",
        "Der Akku ist leer, hilft ein Neustart?",
    ),
    ("grief", "fr", "Ma mère est décédée, comment fermer son compte", "La batterie est morte, elle est garantie ?"),
    ("grief", "es", "Mi padre falleció y llegan sus pedidos", "¿Tiene garantía la batería?"),
    ("self_harm", "en", "I just want to die", "These shoes are to die for, when are they back?"),
    ("self_harm", "de", "Ich will nicht mehr leben", "Ich will den Newsletter nicht mehr, wie geht das?"),
    ("self_harm", "fr", "J'ai envie de mourir", "J'ai envie de cette veste, elle revient quand ?"),
    ("self_harm", "es", "No quiero seguir viviendo", "No quiero seguir recibiendo correos, ¿cómo me doy de baja?"),
    ("negated", "en", "Please don't cancel my order", "Can you cancel my order, please?"),
    ("negated", "en", "I'm not asking for a refund", "I am asking for a refund"),
    ("negated", "de", "Bitte nicht stornieren", "Bitte stornieren Sie meine Bestellung"),
    ("negated", "fr", "N'annulez surtout pas ma commande", "Annulez ma commande s'il vous plaît"),
    ("negated", "es", "Por favor no cancelen mi pedido", "Por favor cancelen mi pedido"),
    ("settled", "en", "All sorted now", "Who sorts this out?"),
    ("settled", "de", "Hat sich erledigt, Paket ist da", "Wann ist das Paket da?"),
    ("settled", "fr", "C'est réglé merci beaucoup", "Comment régler ma commande ?"),
    ("settled", "es", "Ya está resuelto el problema", "¿Cuándo me resuelven el problema?"),
    ("thankless", "en", "Thanks for nothing", "Thanks for your help, one more question"),
    ("thankless", "de", "Danke für nichts", "Danke für die Hilfe, noch eine Frage"),
    ("thankless", "fr", "Merci pour rien", "Merci pour votre aide, encore une question"),
    ("thankless", "es", "Gracias por nada", "Gracias por la ayuda, una pregunta más"),
    ("sarcasm", "en", "Well done, an empty box. Great job.", "Has my job application arrived?"),
    ("sarcasm", "de", "Na toll, wieder ein leerer Karton", "Wann kommt der tolle Karton wieder?"),
    ("sarcasm", "fr", "Bravo pour le carton vide", "Le carton est recyclable ?"),
    ("sarcasm", "es", "Felicidades por la caja vacía", "¿La caja es reciclable?"),
    ("angry", "en", "Where the hell is my parcel, you useless lot", "Where is my parcel?"),
    ("angry", "de", "Frechheit, wo bleibt mein Paket", "Wo bleibt mein Paket?"),
    ("angry", "fr", "C'est une honte, où est mon colis", "Où est mon colis ?"),
    ("angry", "es", "Qué vergüenza, dónde está mi paquete", "¿Dónde está mi paquete?"),
    (
        "advert",
        "en",
        "Grow your business with our followers, DM us for prices",
        "Do your business accounts get a discount?",
    ),
    ("advert", "de", "Geld verdienen von zu Hause, schreib mir auf WhatsApp", "Kann ich zu Hause anprobieren?"),
    (
        "advert",
        "de",
        "Jetzt Gutschein sichern: www.gewinn.example",
        "Jetzt sind wir aus dem Urlaub zurück und der Gutschein ist weg",
    ),
    ("advert", "fr", "Prêt entre particuliers, contactez-moi par WhatsApp", "Êtes-vous joignables par WhatsApp ?"),
    ("advert", "es", "Gana dinero desde casa, escríbeme al WhatsApp", "¿Tienen WhatsApp de atención al cliente?"),
    (
        "another_shop_instead",
        "en",
        "I ordered it from another shop in the end",
        "Can I collect it from the shop in Leeds?",
    ),
    ("another_shop_instead", "de", "Hab ich bei einem anderen Shop gekauft", "Kann ich im Laden in Ulm abholen?"),
    (
        "another_shop_instead",
        "fr",
        "Je l'ai achetée dans une autre enseigne",
        "Puis-je la retirer dans votre magasin ?",
    ),
    ("another_shop_instead", "es", "Lo compré en otra tienda", "¿Puedo recogerlo en su tienda?"),
    ("about_another_shop", "en", "My Zara parcel is late again", "Is my Zara parcel with you too?"),
    ("about_another_shop", "de", "Otto hat mir schon alles erstattet", "Erstattet ihr wie Otto?"),
    ("about_another_shop", "fr", "Mon colis Cdiscount est perdu", "Livrez vous comme Cdiscount ?"),
    ("about_another_shop", "es", "Mi paquete de Shein no llega", "¿Envían como Shein?"),
    ("another_shop", "en", "Do you price match Amazon?", "Do you price match?"),
    ("another_shop", "de", "Bei Zalando kostet der 20 Euro weniger, geht ihr mit?", "Kostet der bald weniger?"),
    ("another_shop", "fr", "Moins cher chez Fnac, vous vous alignez ?", "Moins cher en ligne, c'est normal ?"),
    ("another_shop", "es", "En Mercadona cuesta menos, ¿igualan precios?", "¿Por qué cuesta menos en la web?"),
    ("advice", "en", "You can just send them back to their store", "Can I just send it back to the store?"),
    ("advice", "de", "Ruf doch einfach mal da an", "Kann ich einfach anrufen?"),
    ("advice", "fr", "Moi aussi, tu peux leur demander un remboursement", "Je peux demander un remboursement ?"),
    ("advice", "es", "A mí también me pasó, llámalos y reclama", "¿A qué número llamo para reclamar?"),
    ("news", "en", "Shares fell 8 % after the retailer announced job cuts", "Do you sell newspapers?"),
    ("news", "de", "Händler schließt 30 Filialen in Bayern", "Wann schließt die Filiale in Bayreuth?"),
    ("news", "fr", "Le groupe annonce un plan social dans ses magasins", "Le magasin de Lyon ouvre quand ?"),
    ("news", "es", "La cadena cierra veinte tiendas este año", "¿A qué hora cierran el sábado?"),
    ("bare", "en", "Refund", "Where is my refund?"),
    ("bare", "de", "Gutschein", "Gilt der Gutschein noch?"),
    ("bare", "fr", "remboursement svp", "Où en est mon remboursement ?"),
    ("bare", "es", "Factura por favor", "¿Dónde está mi factura?"),
    (
        "links",
        "en",
        "https://example.com/a https://example.com/b",
        "Is this one in stock in Leeds? https://shop.example.com/p/1",
    ),
    ("quotation", "en", '"We are sorry for the delay with your parcel"', 'It says "pending", what does that mean?'),
    (
        "quotation",
        "en",
        '"How do I return it?" is what everybody asks them',
        'What does "how do I return it?" on the label mean?',
    ),
    ("shouting", "en", "WHERE IS MY PARCEL I ORDERED WEEKS AGO", "Where is my PARCEL, please?"),
    ("long", "en", "I ordered a lamp in May. " * 14 + "Where is it?", "I ordered a lamp in May. Where is it?"),
    (
        "two_questions",
        "en",
        "Is the red one in stock? And how long is the delivery to Cork?",
        "Is the red one in stock?",
    ),
)


@pytest.mark.parametrize(("name", "language", "trips", "passes"), CASES)
def test_guard_trips_on_its_words_and_on_nothing_near(name: str, language: str, trips: str, passes: str) -> None:
    assert name in [guard.name.removesuffix("_asking") for guard in guards(trips, language)]
    assert name not in [guard.name.removesuffix("_asking") for guard in guards(passes, language)]


def test_every_guard_has_a_case_in_every_language_that_it_has_words_for() -> None:
    shapes = {"bare", "links", "quotation", "shouting", "long", "two_questions"}  # nothing in them is a word
    tried = {(name, language) for name, language, *_ in CASES}
    names = {name.removesuffix("_asking") for name in GUARDS} - shapes
    wanted = {(name, language) for name in names for language in LANGUAGES}
    assert wanted | {(name, "en") for name in shapes} <= tried


def test_urgent_guards_leave_silence_and_call_people() -> None:
    found = guards("Your kettle exploded and burnt my hand. Where is my refund?", "en")
    assert urgent(found) and most(found) is None
    assert [guard.name for guard in GUARDS.values() if guard.urgent] == [
        *("self_harm", "safety", "takeover", "fraud", "legal", "grief")
    ]


@pytest.mark.parametrize(
    ("text", "rung"),
    [
        ("Where is my order?", Rung.OWN),
        ("Is it in stock? And can you ship it to Norway?", Rung.TOPIC),
        ("Where is my parcel, this is ridiculous", Rung.GENERAL),
        ("I don't want a refund, I want my lamp. When does it come?", Rung.GENERAL),  # negated, but it asks
        ("I don't want a refund, thank you", None),
    ],
)
def test_a_guard_lowers_the_ladder(text: str, rung: Rung | None) -> None:
    assert most(guards(text, "en")) == rung


def test_guards_never_raise_the_ladder() -> None:
    assert most(guards("Where is my order?", "en"), Rung.GENERAL) is Rung.GENERAL


def test_the_shops_own_name_is_no_other_shop() -> None:
    text = "I bought it from Argos yesterday, can I return it?"
    assert "another_shop_instead_asking" in [guard.name for guard in guards(text, "en")]
    assert guards(text, "en", own=["Argos"]) == ()


def test_words_of_every_language_count_when_the_language_is_unknown() -> None:
    assert urgent(guards("Der Toaster hat Feuer gefangen", None))
    assert urgent(guards("The toaster caught fire", None))


def test_typographic_marks_accents_and_entities_make_no_difference() -> None:
    for text in ("I don’t want a refund", "I don&#39;t want a REFUND", "i dont want a refund"):
        assert [guard.name for guard in guards(text, "en")] == ["negated"]


@pytest.mark.parametrize("text", ["", " ", "\ud800", "@" * 5_000, "a" * 5_000, "?! " * 2_000, "die der " * 900])
def test_any_text_is_read_in_time(text: str) -> None:
    for language in (None, *LANGUAGES):  # a pattern that goes wild would not come back
        assert guards(text, language) == guards(text[:TEXT_CAP] + text[TEXT_CAP:][::-1], language)


@pytest.mark.parametrize("key", [ANY, *LANGUAGES])
def test_every_phrase_is_found_by_what_it_begins_with(key: str) -> None:
    """All phrases of a file compile, and looking them up by first letters finds what searching each of them would."""
    from chalicelib.phrases import _compiled, _table

    table = _table(key)
    phrases = {*table.headless, *(phrase for some in table.by_head.values() for phrase in some)}
    for _, language, trips, passes in CASES:
        for text in (trips, passes) if language == key else ():
            plainly = {p.guard for p in phrases if _compiled(p.text).search(text.lower())}
            assert plainly == {guard for guard, _ in found_in(key, text.lower())}
    assert phrases


WORDS = st.sampled_from(sorted({word for _, _, *texts in CASES for text in texts for word in text.split()}))


@settings(max_examples=200, deadline=None)
@given(st.lists(WORDS | st.text(max_size=8), max_size=30).map(" ".join), st.sampled_from((None, *LANGUAGES)))
def test_any_mixture_of_words_leaves_a_rung_or_silence(text: str, language: str | None) -> None:
    found = guards(text, language)
    assert len({guard.name for guard in found}) == len(found)
    assert most(found) in (None, *Rung)
    assert not urgent(found) or most(found) is None
    assert guards(text, language) == found
