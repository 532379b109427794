"""The packed bodies of deliveries that one queue message cannot carry: in chunks, until they have been worked on."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.storage import names
from chalicelib.storage.store import Store

FIRST = "0000"  # what the first chunk is called
CHUNK = 300_000  # bytes of an item; DynamoDB takes 400 KB
KEPT = timedelta(days=30)  # 14 days in quarantine, redriven on the last of them 14 in the inbox, and some


@dataclass(frozen=True, slots=True)
class BodyStore:
    """Keeps them beside everything else, as documents."""

    store: Store

    def save(self, name: str, packed: bytes, now: datetime) -> None:
        for number, start in enumerate(range(0, len(packed), CHUNK)):
            chunk = {"bytes": packed[start : start + CHUNK]}
            self.store.put_document(names.body(name), f"{number:04}", chunk, now + KEPT)

    def read(self, name: str) -> bytes | None:
        """None when it was worked on, and dropped, before."""
        chunks = self.store.document_names(names.body(name))
        if chunks and chunks[0][0] != FIRST:  # whoever dropped it died over that
            self.drop(name)
            return None
        return b"".join(bytes(doc["bytes"]) for _, doc in chunks) if chunks else None

    def drop(self, name: str) -> None:
        """Forgets a body that has been worked on: customers' words stay no longer than needed."""
        self.store.drop_documents(names.body(name))
