"""The webhook's way, in the order it is walked: receive, inbox, respond, acknowledge, escalate, notify."""
