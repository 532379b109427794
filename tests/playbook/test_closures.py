"""Closures from calendars: files and addresses, whole days and hours, repeated ones, zones; mistakes with a line."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from zoneinfo import ZoneInfo

import pytest

from chalicelib.playbook.closures import read_closures
from chalicelib.playbook.compiled import compiled, load_compiled
from chalicelib.playbook.parts import PlaybookError
from chalicelib.playbook.policy import Playbook
from chalicelib.playbook.reader import DEFAULT_PLAYBOOK, read_playbook
from infra.bench.certificate import made

TODAY = date(2026, 11, 26)
LONDON = ZoneInfo("Europe/London")


def calendar(*events: str, more: str = "") -> str:
    body = "".join(f"BEGIN:VEVENT\r\nUID:{n}\r\nSUMMARY:closed\r\n{e}\r\nEND:VEVENT\r\n" for n, e in enumerate(events))
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//shop//EN\r\n{more}{body}END:VCALENDAR\r\n"


def read(tmp_path: Path, text: str, zone: str = "Europe/London") -> tuple[frozenset[str], list[str]]:
    """The closed days, and the closed times as the zone's clock shows them."""
    (tmp_path / "closures.ics").write_text(text, "utf-8", newline="")
    found = read_closures("closures.ics", tmp_path, zone, TODAY)
    return found.days, [
        f"{a.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}-{b.astimezone(ZoneInfo(zone)):%H:%M}" for a, b in found.times
    ]


def test_whole_days_end_before_their_end_and_one_without_an_end_is_one_day(tmp_path: Path) -> None:
    text = calendar(
        "DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261227",
        "DTSTART;VALUE=DATE:20270105",
        "DTSTART;VALUE=DATE:20270201\r\nDURATION:P2D",
    )
    days, times = read(tmp_path, text)
    assert sorted(days) == ["2026-12-24", "2026-12-25", "2026-12-26", "2027-01-05", "2027-02-01", "2027-02-02"]
    assert times == []


def test_hours_are_closed_by_the_clock_of_their_zone_and_without_one_by_the_teams(tmp_path: Path) -> None:
    text = calendar(
        "DTSTART;TZID=America/New_York:20261201T090000\r\nDTEND;TZID=America/New_York:20261201T100000",
        "DTSTART:20261202T130000\r\nDTEND:20261202T140000",
        "DTSTART:20260603T130000Z\r\nDTEND:20260603T140000Z",
    )
    assert read(tmp_path, text)[1] == ["2026-06-03 14:00-15:00", "2026-12-01 14:00-15:00", "2026-12-02 13:00-14:00"]


def test_a_zone_that_the_file_defines_itself_counts(tmp_path: Path) -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Head Office\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0530\r\n"
        "TZOFFSETTO:+0530\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    )
    text = calendar("DTSTART;TZID=Head Office:20261201T173000\r\nDTEND;TZID=Head Office:20261201T183000", more=zone)
    assert read(tmp_path, text)[1] == ["2026-12-01 12:00-13:00"]


def test_repeated_ones_follow_the_clock_on_the_wall_with_exceptions_and_changes(tmp_path: Path) -> None:
    text = calendar(
        "DTSTART;TZID=Europe/London:20261012T090000\r\nDTEND;TZID=Europe/London:20261012T093000\r\n"
        "RRULE:FREQ=WEEKLY;COUNT=5\r\nEXDATE;TZID=Europe/London:20261019T090000",
        "DTSTART;VALUE=DATE:20201224\r\nRRULE:FREQ=YEARLY",
    )
    text = text.replace(
        "END:VCALENDAR",
        "BEGIN:VEVENT\r\nUID:0\r\nRECURRENCE-ID;TZID=Europe/London:20261102T090000\r\nDTSTART;TZID=Europe/London:20261102T150000\r\n"
        "DTEND;TZID=Europe/London:20261102T160000\r\nEND:VEVENT\r\nEND:VCALENDAR",
    )
    days, times = read(tmp_path, text)
    assert times == [
        "2026-10-12 09:00-09:30",
        "2026-10-26 09:00-09:30",
        "2026-11-02 15:00-16:00",
        "2026-11-09 09:00-09:30",
    ]
    assert {"2025-12-24", "2026-12-24", "2036-12-24"} <= days and len(days) == 12


def test_what_was_called_off_is_open_and_what_is_marked_as_free_is_closed(tmp_path: Path) -> None:
    text = calendar(
        "DTSTART;VALUE=DATE:20261224\r\nSTATUS:CANCELLED",
        "DTSTART;VALUE=DATE:20261231\r\nTRANSP:TRANSPARENT",  # as calendars of public holidays have them
    )
    assert read(tmp_path, text)[0] == {"2026-12-31"}


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("hello", 1, "not an iCalendar file"),
        ("", 1, "not an iCalendar file"),
        (calendar("DTSTART;VALUE=DATE:2026-12-24"), 7, "DTSTART"),
        (calendar("DTSTART;VALUE=DATE:20261224", "DTEND;VALUE=DATE:20261226"), 9, "an event without DTSTART"),
        (calendar("DTSTART;VALUE=DATE:20261224\r\nRRULE:FREQ=SOMETIMES"), 8, "RRULE"),
        (calendar("DTSTART:20261224T090000Z\r\nRRULE:FREQ=MINUTELY"), 8, "repeats within a day"),
        (calendar("DTSTART;VALUE=DATE:20261224\r\nthis is no property"), 8, "not a line of iCalendar"),
        (calendar("DTSTART;VALUE=DATE:20261224").replace("END:VEVENT\r\n", ""), 8, "ends nothing that is open"),
        (calendar("DTSTART;VALUE=DATE:20261224").split("END:VEVENT")[0], 4, "the file is cut off"),
        (calendar("DTSTART;VALUE=DATE:20261224\r\nDTEND;VALUE=DATE:20261220"), 4, "ends before it begins"),
    ],
)
def test_a_bad_calendar_is_refused_with_its_own_line_and_the_playbooks(
    tmp_path: Path, text: str, line: int, says: str
) -> None:
    (tmp_path / "closures.ics").write_text(text, "utf-8", newline="")
    at = _line("    calendars:")
    with pytest.raises(
        PlaybookError, match=rf"playbook\.yaml:{at}: hours\.support\.calendars.*closures\.ics:{line}: .*{says}"
    ):
        shop(tmp_path, "closures.ics")


def _line(start: str) -> int:
    text = _text("closures.ics")
    return next(n for n, row in enumerate(text.splitlines(), start=1) if row.startswith(start))


def _text(*sources: str) -> str:
    listed = ", ".join(f'"{s}"' for s in sources)
    text = DEFAULT_PLAYBOOK.read_text("utf-8")
    start = text.index("    # calendars:")
    return f"{text[:start]}    calendars: [{listed}]{text[text.index('\n', start) :]}"


def shop(folder: Path, *sources: str) -> Playbook:
    (folder / "playbook.yaml").write_text(_text(*sources), "utf-8")
    return read_playbook(folder / "playbook.yaml")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("missing.ics", "cannot be read .*beside the playbook"),
        ("http://shop.example.com/closures.ics", "not an https address"),
        (
            "https://127.0.0.1:9/private-secret/closures.ics?key=secret",
            r"127\.0\.0\.1:9/…/closures\.ics: cannot be fetched",
        ),
    ],
)
def test_a_calendar_that_cannot_be_had_is_named_and_its_key_is_not(tmp_path: Path, source: str, says: str) -> None:
    with pytest.raises(PlaybookError, match=says) as error:
        shop(tmp_path, source)
    assert "secret" not in str(error.value)


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where an https server gives a calendar."""
    content = calendar(
        "DTSTART;TZID=Europe/London:20261130T100000\r\nDTEND;TZID=Europe/London:20261130T120000"
    ).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/closures.ics" else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context, _ = made(tmp_path)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_address_is_fetched_and_its_hours_hold_the_team_back(tmp_path: Path, address: str) -> None:
    (tmp_path / "days.ics").write_text(calendar("DTSTART;VALUE=DATE:20261201"), "utf-8", newline="")
    playbook = shop(tmp_path, "days.ics", f"{address}/closures.ics")
    asked = datetime(2026, 11, 30, 9, 55, tzinfo=LONDON)  # closed from ten to twelve
    found = playbook.calls("return", asked)
    assert [f"{at.astimezone(LONDON):%a %H:%M}" for at in (found.promised_by, *found.times)] == [
        *("Mon 12:55", "Mon 12:05", "Mon 13:25", "Mon 16:55")
    ]
    evening = playbook.calls("return", datetime(2026, 11, 30, 19, 55, tzinfo=LONDON))  # the next day is closed
    assert f"{evening.times[0].astimezone(LONDON):%a %H:%M}" == "Wed 08:05"
    with pytest.raises(PlaybookError, match=r"cannot be fetched \(404\)"):
        shop(tmp_path, f"{address}/other.ics")


def test_what_is_put_into_service_needs_no_calendar_any_more(tmp_path: Path) -> None:
    path = tmp_path / "closures.ics"
    path.write_text(
        calendar("DTSTART:20261130T100000Z\r\nDTEND:20261130T120000Z", "DTSTART;VALUE=DATE:20261201"), "utf-8"
    )
    playbook = shop(tmp_path, "closures.ics")
    path.unlink()
    served = load_compiled(compiled(playbook, TODAY))
    hours = served.teams["returns"].hours
    assert hours == playbook.teams["returns"].hours and hours.shut
    assert served.clocks == playbook.clocks != read_playbook(DEFAULT_PLAYBOOK).clocks
    assert not hours.is_open(datetime(2026, 11, 30, 11, 0, tzinfo=UTC))
    assert hours.is_open(datetime(2026, 11, 30, 12, 0, tzinfo=UTC))
    assert hours.last_open(
        datetime(2026, 11, 30, 9, 0, tzinfo=UTC), datetime(2026, 11, 30, 11, 0, tzinfo=UTC)
    ) == datetime(2026, 11, 30, 10, 0, tzinfo=UTC)
    assert hours.after(datetime(2026, 11, 30, 9, 30, tzinfo=UTC), timedelta(hours=1)) == datetime(
        2026, 11, 30, 12, 30, tzinfo=UTC
    )
