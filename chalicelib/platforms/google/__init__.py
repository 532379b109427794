"""Google Business Profile: reviews."""
