"""What people do from the e-mail."""
