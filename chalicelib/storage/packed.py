"""A document as the table keeps it: JSON, compressed against a dictionary of what most documents say and of its key,
whose ids stand in it again.

A conversation of two kilobytes becomes half of one, and DynamoDB bills writes by the kilobyte: every write of a
conversation then costs one unit, and storage and its backup a third. What DynamoDB itself has to read (keys, indexes,
revision, expiry) stays beside it, in plain sight.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

# Never changed: what is stored was written with it. A release that wants another adds one under a number of its own and
# goes on reading this one. The commonest words stand last, where references to them are shortest.
_WORDS: Final = b"".join(
    (
        b'"failures":,"until":,"questions":[],"deed":"answer","who":"","note":"","before":{},"link":"https://www.facebook.com/',
        b'"sent":1,"language":"de","language":"fr","language":"es","order_status","delivery_late","return","refund","stock",',
        b'"human_please","complaint","legal_safety","product_question","store_info","payment","cancel_order","exchange",',
        b'"product":"instagram","product":"whatsapp","product":"messenger","kind":"brand_reply","kind":"mention",',
        b'"kind":"new","replies":{"automatic":false,"person":false,"chances":{"guards":["edit","is":"","value":"',
        b'"reply_to":"","window":86400.0,"answers":{"acts":{"ladders":{"1":{"urgent":true,"tier":1,"called_at":"2026-',
        b'"told_at":"2026-","not_before":"2026-","closed_at":"2026-","hidden_at":"2026-","escalated_at":"2026-',
        b'"notices":{"1.1":{"tier":1,"due_at":"2026-11-23T10:10:00.000Z","state":"pending","state":"claimed","again_at":"2026-',
        b'"token":"","id":"mail-","sent_at":"2026-","team":"","fallback":false,"round":1,"urgent":false,',
        b'"intent":"other"},"1.2":{',
        b'"acknowledgements":{"state":"sent","at":"2026-","token":"","text":"This is an automated reply. ',
        b'Thank you for your message about your order. A colleague will answer you personally today by .\\nYour team",',
        b'"intent":"","model":"","resolves":false,"private":false,"id":"","rung":"own"}},"window_closes_at":"2026-',
        b'{"product":"facebook","account":"","id":"","kind":"new","at":"2026-11-23T10:00:00.000Z","received_at":"2026-',
        b'","thread":"","app":"main","author":"","author_name":"","brand":false,"text":"","text_at":"2026-","edited":false,',
        b'"parent":"","post":"","private":false,"repliable":true,"attachments":0,"link":"https://","deleted":false,"ours":false,',
        b'"undelivered":false,"raw":"","reading":{"intent":"","confidence":0.99,"margin":0.99,"language":"en","accepted":true,',
        b'"model":"","rungs":{"own":0.99,"topic":0.99,"general":0.99},"allowed":["own","topic","general"],"topic":"","gate":0.9,',
        b'"urgent":0.0001},"private_only":false,"unproven":false,"tap":false,"shared":false,"erased":false}',
        b'{"product":"facebook","account":"","thread":"","customer":"","app":"main","private":true,"questions":{"":{"at":"2026-',
        b'","received_at":"2026-","text_at":"2026-","intent":"","needs_answer":true,"resolved":false,"deleted":false,"round":1,',
        b'"answered_at":"2026-","answered_by":"","waits_since":"2026-","promised_by":"2026-","edited":false,"silence":"","words":"',
        b'","root":true}},"round":1,"tier":0,"due_at":"2026-11-23T10:10:00.000Z","delivery":"","post":"","unlisted":0}',
    )
)
_KEYED: Final = b"\x03"  # how one begins that is packed with its key; one of the release before begins as zlib does
_compact = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Unreadable(ValueError):
    """What is stored is no document of this release or the one before."""


def pack(doc: Mapping[str, Any], key: str) -> bytes:
    """`doc`, the document of the item `key`, as bytes. Raises TypeError for one that holds bytes itself."""
    packer = zlib.compressobj(
        6, zlib.DEFLATED, -zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, zlib.Z_DEFAULT_STRATEGY, _words(key)
    )
    return _KEYED + packer.compress(_compact(doc).encode("utf-8", "surrogatepass")) + packer.flush()


def unpack(packed: bytes, key: str) -> dict[str, Any]:
    """The document that `pack`, or that of the release before, made of it; raises Unreadable."""
    try:
        if keyed := packed.startswith(_KEYED):
            unpacker = zlib.decompressobj(-zlib.MAX_WBITS, _words(key))
        else:
            unpacker = zlib.decompressobj(zlib.MAX_WBITS, _WORDS)
        text = unpacker.decompress(packed[keyed:]) + unpacker.flush()
        doc = json.loads(text.decode("utf-8", "surrogatepass"))
    except (zlib.error, ValueError) as error:
        raise Unreadable(type(error).__name__) from None
    if not (unpacker.eof and isinstance(doc, dict)):
        raise Unreadable("cut short, or no object")
    return doc


def _words(key: str) -> bytes:
    return _WORDS + key.encode("utf-8", "surrogatepass")
