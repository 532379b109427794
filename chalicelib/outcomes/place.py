"""Where something was raised, for a log or a finding: never what was raised, which may quote a customer."""

from types import TracebackType


def place(trace: TracebackType | None) -> str:
    """File and line of the innermost frame; "" without a trace."""
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
