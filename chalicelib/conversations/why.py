"""Why nothing was said automatically: one label for each reason, the playbook's and the flow's."""

from enum import StrEnum


class Why(StrEnum):
    """The label of a reason; it is logged, counted, and shown to people."""

    # the playbook's
    KILL_SWITCH = "kill_switch"
    TOO_OLD = "too_old"
    NOT_SURE = "not_sure"
    INTENT = "intent"
    LANGUAGE = "language"
    QUIET_HOURS = "quiet_hours"
    NO_TEXT = "no_text"
    URGENT = "urgent"
    GUARD = "guard"
    # the flow's
    NOTHING_OPEN = "nothing_open"
    OVERTAKEN = "overtaken_by_an_edit"
    ALREADY = "already"
    AUTOMATIC = "automatic"
    NEVER_SEEN = "edit_of_something_never_seen"
    NOT_REPLIABLE = "not_repliable"
    AUTHOR_UNKNOWN = "author_unknown"
    RECENT = "acknowledged_recently"
    WINDOW = "window_closed"
    CAP = "cap"
    BREAKER = "token_invalid"
    NO_ACCOUNT = "no_account"
    PERSON_WROTE = "person_wrote"
    CORRECTED = "corrected_by_staff"
    OTHERS_THREAD = "others_thread"
    TO_SOMEBODY_ELSE = "to_somebody_else"
    ERASED = "erased"
    NOT_REMEMBERED = "older_than_what_is_remembered"
    OPTED_OUT = "opted_out"
