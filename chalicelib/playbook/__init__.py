"""The retailer's policy: who answers what by when, and what may be said."""
