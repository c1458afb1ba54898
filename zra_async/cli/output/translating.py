"""From the words of the library, whose user writes Python, to those of the command line."""

from __future__ import annotations

import re
from collections.abc import Collection

#: arguments of the library that are options of a command; each applies where the command has the option
_OPTIONS = {
    "file_name": "--file-name",
    "part_size": "--part-size",
    "source_system": "--source",
    "failed_to": "--failed-to",
    "retry_failed": "--retry-failed",
    "daily_budget": "--daily-budget",
    "overwrite": "--overwrite",
    "adopt": "--adopt",
}
#: advice that needs other words; these apply to every command
_PHRASES = (
    (r"give a file_name that does", "rename it"),
    (
        r"give the main_file_id of the recording that it belongs to",
        "upload it with its recording, as zra upload RECORDING --transcript FILE or --metadata FILE",
    ),
    (r"says where a transcript or metadata is from: give main_file_id", "needs --transcript or --metadata"),
    (r"go on with zra\.files\.resume\(.*?\) within 7 days", "the same command goes on within 7 days"),
    (r"upload it anew, without this journal,", "remove the journal and upload it anew,"),
    (r"the same call goes on", "the same command goes on"),
    (r"give Hosts\(file=.*?\)", "set ZRA_FILE_URL"),
    (r": Hosts\(trusted=…\) names the domains that are", ""),
    (r"with zra\.crm\.register\(…\)", "with zra call crm.register"),
    (r"\bzra\.export\(to=…\)", "zra export --to FOLDER"),
    (r"\bthe api URL must", "ZRA_API_URL must"),
    (r"\bthe file URL must", "ZRA_FILE_URL must"),
    (r"\bthe token URL must", "ZRA_TOKEN_URL must"),
    (r"; the names are in zra_async\.OPERATIONS", "; zra list operations names them"),
    (r"\bfrom_\b", "from"),
)


def in_options(text: str, options: Collection[str]) -> str:
    """A message of the library in the words of a command that has these options."""
    for pattern, words in _PHRASES:
        text = re.sub(pattern, words, text)
    for name, option in _OPTIONS.items():
        if option in options:
            text = re.sub(rf"\b{name}=True\b", option, text)
            text = re.sub(rf"(?<![\w-]){name}=(?=\S)", f"{option} ", text)
            text = re.sub(rf"(?<![\w-]){name}\b", option, text)
    return text


def possible(advice: str, options: Collection[str]) -> str:
    """The advice, or "" where it names an option that a command with these options does not have."""
    if not options:
        return advice
    named = re.findall(r"(?<![\w-])--[a-z][a-z-]*", advice)
    return advice if all(option in options or option == "--help" for option in named) else ""
