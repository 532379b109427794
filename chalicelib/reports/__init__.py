"""What the retailer learns: facts, ledger, plan, quality, customers, questions, campaigns, the page and the e-mail."""
