"""What people read: the e-mails' content and signed links."""
