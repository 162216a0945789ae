"""The service *billing*: each mentor's monthly statement ("appel à facturation"), from which the mentor invoices."""
