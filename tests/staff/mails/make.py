"""Writes the answers by e-mail beside this file: eight programs' ways to quote in four languages, and what is refused.

    python -m tests.staff.mails.make

They are written by hand here and kept as files, so that a test reads what a mail server would hand over. `{reply_to}`
stands where the reply address goes.
"""

from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

HERE = Path(__file__).parent
SENDER = "Kim Example <delivery@shop.example.com>"
ANSWER = {
    "en": "Hello Ana, it left our warehouse today.\n\nIt will be with you on Thursday.",
    "de": "Hallo Ana, es hat heute unser Lager verlassen.\n\nAm Donnerstag ist es bei Ihnen.",
    "fr": "Bonjour Ana, il a quitté notre entrepôt aujourd’hui.\n\nVous l’aurez jeudi.",
    "es": "Hola Ana, hoy ha salido de nuestro almacén.\n\nLo tendrá el jueves.",
}
QUOTED = (
    "Late delivery, unanswered for 10 min\n\nAna wrote:\n\n    Where is my parcel?\n\n"
    "Answer now: https://earshot.shop.example.com/"
)
ON = {
    "en": "On Mon, 23 Nov 2026 at 10:10, Earshot <earshot@shop.example.com> wrote:",
    "de": "Am Mo., 23. Nov. 2026 um 10:10 Uhr schrieb Earshot <earshot@shop.example.com>:",
    "fr": "Le lun. 23 nov. 2026 à 10:10, Earshot <earshot@shop.example.com> a écrit :",
    "es": "El lun, 23 nov 2026 a las 10:10, Earshot (<earshot@shop.example.com>) escribió:",
}
HEADERS = {
    "en": ("From", "Sent", "To", "Subject"),
    "de": ("Von", "Gesendet", "An", "Betreff"),
    "fr": ("De", "Envoyé", "À", "Objet"),
    "es": ("De", "Enviado", "Para", "Asunto"),
}
ORIGINAL = {
    "en": "-----Original Message-----",
    "de": "-----Ursprüngliche Nachricht-----",
    "fr": "-----Message d'origine-----",
    "es": "-----Mensaje original-----",
}
PHONE = {
    "en": "Sent from my iPhone",
    "de": "Von meinem iPhone gesendet",
    "fr": "Envoyé de mon iPhone",
    "es": "Enviado desde mi iPhone",
}
BYE = {
    "en": "Best regards\nKim\nDelivery team",
    "de": "Viele Grüße\nKim\nVersand",
    "fr": "Cordialement\nKim\nLivraison",
    "es": "Saludos\nKim\nEntregas",
}


def quoted() -> str:
    return "\n".join(f"> {line}".rstrip() for line in QUOTED.splitlines())


def block(language: str) -> str:
    names = HEADERS[language]
    values = ("Earshot <earshot@shop.example.com>", "23.11.2026 10:10", "delivery@shop.example.com", "[Earshot] Ana")
    return "\n".join(f"{n}: {v}" for n, v in zip(names, values, strict=True)) + f"\n\n{QUOTED}"


def paragraphs(text: str) -> str:
    return "".join(f"<p>{line}</p>" for line in text.split("\n\n"))


def programs(language: str) -> dict[str, tuple[str, str]]:
    """Program → (text, HTML); "" where it sends no such part."""
    text, on = ANSWER[language], ON[language]
    html = paragraphs(text)
    bye = BYE[language].replace("\n", "<br>")
    return {
        "gmail": (
            f"{text}\n\n{on}\n\n{quoted()}\n",
            f'<div dir="ltr">{html}</div><div class="gmail_quote">{on}<blockquote>{QUOTED}</blockquote></div>',
        ),
        "apple_mail": (f"{text}\n\n{PHONE[language]}\n\n{on}\n>\n{quoted()}\n", ""),
        "outlook": (f"{text}\n\n{BYE[language]}\n\n{block(language)}\n", ""),
        "outlook_web": (
            "",
            f'<div>{html}</div><div id="appendonsend"></div><hr><div id="divRplyFwdMsg">{block(language)}</div>',
        ),
        "old_outlook": (f"{text}\n\n{ORIGINAL[language]}\n{block(language)}\n", ""),
        "thunderbird": (
            f"{text}\n\n-- \n{BYE[language]}\n\n{on}\n{quoted()}\n",
            f'{html}<div class="moz-cite-prefix">{on}</div><blockquote type="cite">{QUOTED}</blockquote>',
        ),
        "yahoo": ("", f'<div>{html}</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>{on}</div>{QUOTED}</div>'),
        "proton": (
            f"{text}\n\n{on}\n\n{quoted()}\n",
            f'{html}<div class="protonmail_quote">{on}<blockquote>{bye}{QUOTED}</blockquote></div>',
        ),
    }


PASSED = "amazonses.com; spf=pass; dkim=pass header.i=@shop.example.com; dmarc=pass header.from=shop.example.com"


def judged(
    text: str, *, results: str = PASSED, spam: str = "PASS", virus: str = "PASS", **headers: str
) -> EmailMessage:
    """An answer with the headers in which SES writes what it thinks of it."""
    return mail(text, Authentication_Results=results, X_SES_Spam_Verdict=spam, X_SES_Virus_Verdict=virus, **headers)


def mail(text: str, html: str = "", id: str = "answer-1@mail.shop.example.com", **headers: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = headers.pop("From", SENDER)
    message["To"] = "Earshot <{reply_to}>"
    message["Subject"] = "Re: [Earshot] Ana: Late delivery on Facebook"
    message["Message-ID"] = f"<{id}>"
    message["DKIM-Signature"] = "v=1; a=rsa-sha256; c=relaxed/relaxed; d=shop.example.com; s=mail; bh=AA==; b=AA=="
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    if text:
        message.set_content(text)
    if html and text:
        message.add_alternative(f"<html><body>{html}</body></html>", subtype="html")
    elif html:
        message.set_content(f"<html><body>{html}</body></html>", subtype="html")
    return message


def report() -> EmailMessage:
    message = mail("The address was not found.", From="MAILER-DAEMON@example.com", Return_Path="<>")
    message.make_mixed()
    message.replace_header("Content-Type", 'multipart/report; report-type=delivery-status; boundary="b"')
    return message


def attachment() -> EmailMessage:
    message = mail("")
    message.add_attachment(b"\x89PNG....", maintype="image", subtype="png", filename="photo.png")
    return message


def refused() -> dict[str, EmailMessage]:
    text = f"{ANSWER['en']}\n\n{ON['en']}\n{quoted()}\n"
    failed = PASSED.replace("pass", "fail")
    return {
        "bad_token": judged(text, id="answer-2@mail.shop.example.com"),
        "dmarc_fail": judged(text, results=failed, id="answer-3@mail.shop.example.com"),
        "dmarc_none": judged(text, results="amazonses.com; spf=none; dkim=none", id="answer-4@mail.shop.example.com"),
        "spam": judged(text, spam="FAIL", id="answer-5@mail.shop.example.com"),
        "virus": judged(text, virus="FAIL", id="answer-6@mail.shop.example.com"),
        "twice": judged(text, id="answer-7@mail.shop.example.com"),
        "other_token": judged(text, id="answer-8@mail.shop.example.com"),
        "expired": judged(text, id="answer-9@mail.shop.example.com", Date="Tue, 8 Dec 2026 10:10:00 +0000"),
        "window_closed": judged(text, id="answer-10@mail.shop.example.com", Date="Tue, 24 Nov 2026 11:10:00 +0000"),
        "sender": mail(text, From="Eve <eve@example.net>", DKIM_Signature2="x"),
        "auto_reply": mail("I am out of office until Monday.", Auto_Submitted="auto-replied"),
        "bounce": report(),
        "list": mail(text, List_Id="<news.example.com>"),
        "ours": mail(text, X_Earshot_Delivery="abc"),
        "empty": mail(f"\n\n{ON['en']}\n{quoted()}\n"),
        "signature_only": mail("-- \nKim\nDelivery team"),
        "attachment_only": attachment(),
        "html_only": mail("", f"<div>{paragraphs(ANSWER['en'])}</div>"),
        "too_long": mail("word " * 2000),
        "hostile": mail("Hello\u202e Ana\u200b!\n\n<script>alert(1)</script>\n"),
    }


def too_large() -> bytes:
    """More than ten megabytes: words and a film. Made when it is needed, because nobody wants it in a repository."""
    message = judged(f"{ANSWER['en']}\n\n{ON['en']}\n{quoted()}\n", id="answer-11@mail.shop.example.com")
    message.add_attachment(bytes(range(256)) * 31_250, maintype="video", subtype="mp4", filename="film.mp4")
    return message.as_bytes(policy=SMTP)


def main() -> None:
    for language in ANSWER:
        for program, (text, html) in programs(language).items():
            (HERE / f"{program}_{language}.eml").write_bytes(mail(text, html).as_bytes(policy=SMTP))
    for name, message in refused().items():
        (HERE / f"{name}.eml").write_bytes(message.as_bytes(policy=SMTP))


if __name__ == "__main__":
    main()
