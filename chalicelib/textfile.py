"""Text that people hand over in a file: UTF-8, or a message that says what it is instead."""

from pathlib import Path

_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class NotText(ValueError):
    """The file is not UTF-8; the message says what it seems to be and what to do."""


def read_text(path: Path) -> str:
    """The text of the file at `path`. Raises NotText, OSError."""
    return decoded(path.read_bytes(), str(path))


def decoded(content: bytes, name: str) -> str:
    """The text of the file called `name`, a byte order mark left out; raises NotText."""
    kind = next((kind for mark, kind in _MARKS.items() if content.startswith(mark)), "")
    if not kind and b"\x00" in content[:200]:
        kind = "UTF-16 without a byte order mark, or no text"
    try:
        if not kind:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise NotText(f"{name}:{line}: not UTF-8 (perhaps windows-1252); save the file as UTF-8") from None
    raise NotText(f"{name}: {kind}; save the file as UTF-8")


def told(error: BaseException) -> str:
    """The error in words; of a file that cannot be opened its name and why, without the system's number."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)
