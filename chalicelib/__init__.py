"""Earshot's rooms; `app.py` holds the Lambda entry points that call them."""
