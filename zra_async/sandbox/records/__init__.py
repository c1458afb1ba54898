"""Write what the account holds as the records of answers, one module per kind of record."""
