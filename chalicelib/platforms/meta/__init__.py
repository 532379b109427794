"""Meta: Facebook, Messenger, Instagram, WhatsApp."""
