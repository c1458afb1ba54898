"""Hold the state of the account: conversations, deals, comments, CRM records, teams and files."""
