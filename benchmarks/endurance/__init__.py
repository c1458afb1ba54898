"""A month of abuse in a short while: everything at once on one account, with everything going wrong."""
