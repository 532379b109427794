"""What people do from the e-mail: the desk behind the link, answers as the brand, answers by e-mail."""
