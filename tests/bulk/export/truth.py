"""What an export of a sandbox account must hold, derived from the account's own state and from nothing of the export.

Records are written down once more by hand: which columns there are, and what becomes of a blank time or of a number
that came as a text.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from zra_async.bulk import read_stream
from zra_async.sandbox import Sandbox
from zra_async.sandbox.generated.times import write_time
from zra_async.sandbox.operations.conversations import has_recording
from zra_async.sandbox.records.indicators import indicator_record

Record = dict[str, Any]


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _time(value: Any) -> str | None:
    return value or None


def _as_is(value: Any) -> Any:
    return value


def shaped(record: Mapping[str, Any], columns: str, **kinds: Callable[[Any], Any]) -> Record:
    """A record with exactly these columns, None where it has none, each brought into the form of its kind."""
    return {name: kinds.get(name, _as_is)(record.get(name)) for name in columns.split()}


_CONVERSATION = """conversation_id conversation_type conversation_topic topic summary conversation_url host_id
    host_email meeting_id meeting_uuid meeting_start_time start_time iq_processed_time duration duration_sec
    engagement_score sentiment_score engaging_questions_count next_steps_count filler_words_count deal_id
    deal stage_during_conversation calendar_client event_id participants conversation_view moment_info"""
_FINDING = """user_id display_name text utterance label indicator_id indicator_name key_word marked_by start_time
    end_time"""
_DEAL = """deal_id deal_name deal_stage deal_description deal_retrospective deal_amount currency_type deal_is_closed
    deal_is_private account_name account_type customer_account_id customer_contact contacts owner_id owner_name
    owner_email create_time last_activity_time close_date time_in_stage number_of_conversations"""
_ACTIVITY = """activity_type conversation_id conversation_topic message_ids number_of_message_in_thread direction
    host_id start_date duration deal_stage stage_during_conversation processing_analysis engagement_score
    sentiment_score summary"""
_QUESTION = "question_id question_title question_description question_comment answer justification score scale"
_CARD = "scorecard_id scorecard_name scorecard_description average_score rate_time rater"
_MEETING = "event_id topic user_id host_id schedule_time start_time meeting_platform external"
_INDICATOR = """id name description category_id category_name type mentioned_by enabled created_time last_modified_time
    last_modified_user_name"""
_NUMBERS = dict.fromkeys(("meeting_id", "duration", "duration_sec", "engagement_score", "sentiment_score"), _integer)


class Truth:
    """The records of an account, by stream and unit."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.world = sandbox.world
        self._truth = sandbox.truth
        self._listed = {row["conversation_id"]: row for row in self._truth.conversations()}
        self._deals = {deal["deal_id"]: deal for deal in self._truth.deals()}

    def ids(self, stream: str) -> set[str]:
        """The units that may have records in a stream."""
        if stream in CONVERSATION_STREAMS:
            return {name for name, row in self._listed.items() if not row["processing_analysis"]}
        if stream in ("deals", "deal_activities"):
            return set(self._deals)
        if stream in ("teams", "team_members", "team_managers"):
            return {team.team_id for team in self.sandbox.account.teams.all()}
        if stream == "playlists":
            return self._people()
        return set(self.units(stream))

    def units(self, stream: str) -> Mapping[str, list[Record]]:
        """The units of a small stream with their records."""
        if stream == "indicators":
            known = (indicator_record(self.world, indicator) for indicator in self.world.catalogue.indicators)
            return {row["id"]: [shaped(row, _INDICATOR)] for row in known}
        rows = (shaped(row, _MEETING) for row in self._truth.scheduled())
        return {f"{row['event_id']}|{row['user_id']}|{row['start_time']}": [row] for row in rows}

    def records(self, stream: str, unit: str) -> list[Record]:
        """The records of one unit, in order."""
        if stream in CONVERSATION_STREAMS:
            return [{"conversation_id": unit, **row} for row in CONVERSATION_STREAMS[stream](self, unit)]
        if stream in ACCOUNT_STREAMS:
            return list(ACCOUNT_STREAMS[stream](self, unit))
        return self.units(stream)[unit]

    # Conversations

    def conversation(self, unit: str) -> Iterator[Record]:
        listed, detail = self._listed[unit], self._truth.detail(unit)
        row = shaped(
            {**listed, **{name: value for name, value in detail.items() if value is not None}},
            _CONVERSATION,
            **_NUMBERS,
            iq_processed_time=_time,
            participants=lambda found: found or [],
        )
        found = self.world.find(unit)
        assert found is not None
        yield row | {"has_recording": has_recording(found)}

    @functools.lru_cache(maxsize=1)  # noqa: B019 (a truth lives as long as its test)
    def speakers(self, unit: str) -> list[Record]:
        return self._truth.interactions(unit)

    @functools.lru_cache(maxsize=1)  # noqa: B019
    def analysis(self, unit: str) -> Record:
        return self._truth.content_analysis(unit)

    def participants(self, unit: str) -> Iterator[Record]:
        for index, speaker in enumerate(self.speakers(unit)):
            about = shaped(speaker, "user_id display_name email speaker_type")
            yield {"index": index, **about, "utterances": len(speaker.get("transcripts", ())), **speaker["metrics"]}

    def transcripts(self, unit: str) -> Iterator[Record]:
        spoken = [
            {**about, **said}
            for speaker in self.speakers(unit)
            for about in [shaped(speaker, "user_id display_name email speaker_type")]
            for said in speaker.get("transcripts", ())
        ]
        spoken.sort(key=lambda said: int(said["item_id"]))
        for index, said in enumerate(spoken):
            said["index"] = index
            yield said

    def findings(self, field: str, unit: str) -> Iterator[Record]:
        for place, section in enumerate(self.analysis(unit)[field]):
            for index, finding in enumerate(section["section"]):
                yield {"section": place, "index": index, **shaped(finding, _FINDING)}

    def chapters(self, unit: str) -> Iterator[Record]:
        for index, chapter in enumerate(self.analysis(unit)["smart_chapters"]):
            yield {"index": index, **chapter}

    def deal_memos(self, unit: str) -> Iterator[Record]:
        memo = self.analysis(unit)["deal_memo"]
        for side, field in (("win", "potential_wins"), ("concern", "potential_concerns")):
            for index, factor in enumerate(memo[field]):
                yield {"side": side, "index": index, **factor}

    def playbooks(self, unit: str) -> Iterator[Record]:
        for playbook in self.analysis(unit)["playbooks"]:
            for index, element in enumerate(playbook["elements"]):
                answer = element["answer"]
                yield {
                    **shaped(playbook, "playbook_id playbook_name"),
                    "index": index,
                    **shaped(element, "element_id element_name"),
                    "summaries": answer["summaries"],
                    "sources": [{**source, "time_s": _integer(source["time_s"])} for source in answer["sources"]],
                }

    def scorecards(self, unit: str) -> Iterator[Record]:
        for index, card in enumerate(self._truth.scorecards(unit)):
            yield {"index": index, **shaped(card, _CARD, average_score=_number, rate_time=_time)}

    def scorecard_questions(self, unit: str) -> Iterator[Record]:
        for place, card in enumerate(self._truth.scorecards(unit)):
            for index, question in enumerate(card["scorecard_questions"]):
                about = {"scorecard_index": place, "scorecard_id": card["scorecard_id"], "index": index}
                yield {**about, **shaped(question, _QUESTION, score=_number)}

    def comments(self, unit: str) -> Iterator[Record]:
        teams = self.sandbox.account.teams
        for index, comment in enumerate(self._truth.comments(unit)):
            users = [user for name in comment.users if (user := self.world.user(name))]
            yield {
                "index": index,
                "id": comment.comment_id,
                "parent_comment_id": comment.parent_id,
                "comment": comment.text,
                "user_name": comment.author.display_name,
                "user_email": comment.author.email,
                "created_time": write_time(comment.created),
                "last_modified_time": write_time(comment.modified),
                "is_private": comment.private,
                "mention_users": [{"user_id": user.user_id, "user_name": user.display_name} for user in users],
                "mention_teams": [
                    {"team_id": name, "team_name": teams.team_name(name)} for name in comment.teams if teams.find(name)
                ],
                "time_in_recording": comment.place,
            }

    # The account

    def deal(self, unit: str) -> Iterator[Record]:
        yield shaped(self._deals[unit], _DEAL)

    def deal_activities(self, unit: str) -> Iterator[Record]:
        for index, activity in enumerate(self._truth.activities(unit)):
            steps = activity.get("next_steps", [])
            yield {"deal_id": unit, "index": index, **shaped(activity, _ACTIVITY), "next_steps": steps}

    def team(self, unit: str) -> Iterator[Record]:
        team = self.sandbox.account.teams.find(unit)
        assert team is not None
        yield {
            "team_id": team.team_id,
            "parent_team_id": team.parent,
            "name": team.name,
            "description": team.description,
            "type": "flat team" if team.flat else "hierarchical team",
            "leaf": not team.children,
            "member_size": len(team.members),
            "manager_size": len(team.managers),
        }

    def team_users(self, field: str, unit: str) -> Iterator[Record]:
        for user in self.sandbox.account.teams.users(getattr(self.sandbox.account.teams.find(unit), field)):
            names = {"first_name": user.first_name, "last_name": user.last_name}
            yield {"team_id": unit, "user_id": user.user_id, "email": user.email, **names}

    def playlists(self, unit: str) -> Iterator[Record]:
        for playlist in self._truth.playlists(unit):
            yield {"user_id": unit, **playlist}

    def _people(self) -> set[str]:
        """Everybody whom a team, a deal or a conversation names, and those who could be in a team and are not."""
        teams = self.sandbox.account.teams
        people = {user for team in teams.all() for user in (*team.members, *team.managers)}
        people |= {user.user_id for user in teams.unassigned()}
        people |= {row["host_id"] for row in self._listed.values()}
        return people | {deal["owner_id"] for deal in self._deals.values()}


Rows = Callable[[Truth, str], Iterable[Record]]


def _findings(field: str) -> Rows:
    return lambda truth, unit: truth.findings(field, unit)


CONVERSATION_STREAMS: Mapping[str, Rows] = {
    "conversations": Truth.conversation,
    "participants": Truth.participants,
    "transcripts": Truth.transcripts,
    "topics": _findings("topics"),
    "next_steps": _findings("next_steps"),
    "questions": _findings("good_questions"),
    "indicator_mentions": _findings("indicators"),
    "chapters": Truth.chapters,
    "deal_memos": Truth.deal_memos,
    "playbooks": Truth.playbooks,
    "scorecards": Truth.scorecards,
    "scorecard_questions": Truth.scorecard_questions,
    "comments": Truth.comments,
}
ACCOUNT_STREAMS: Mapping[str, Rows] = {
    "deals": Truth.deal,
    "deal_activities": Truth.deal_activities,
    "teams": Truth.team,
    "team_members": lambda truth, unit: truth.team_users("members", unit),
    "team_managers": lambda truth, unit: truth.team_users("managers", unit),
    "playlists": Truth.playlists,
}
SMALL_STREAMS = ("indicators", "scheduled_meetings")
OF_ACCOUNT = (*ACCOUNT_STREAMS, *SMALL_STREAMS)
EVERY_STREAM = (*CONVERSATION_STREAMS, *OF_ACCOUNT)
_KEYS = {**dict.fromkeys(CONVERSATION_STREAMS, ("conversation_id",)), "indicators": ("id",), "playlists": ("user_id",)}
_KEYS |= dict.fromkeys(("deals", "deal_activities"), ("deal_id",))
_KEYS |= dict.fromkeys(("teams", "team_members", "team_managers"), ("team_id",))
_KEYS["scheduled_meetings"] = ("event_id", "user_id", "start_time")


def unit_of(stream: str, record: Mapping[str, Any]) -> str:
    """The unit that a record belongs to."""
    return "|".join(record[name] for name in _KEYS[stream])


def lines(folder: Path, stream: str) -> Iterator[Record]:
    """Every line of a stream, as they stand in the files."""
    for path in sorted(folder.glob(f"{stream}-*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                assert line.endswith(b"\n"), f"{path} ends in the middle of a line"
                yield msgspec.json.decode(line)


def compare(truth: Truth, stream: str, records: Iterable[Record]) -> int:
    """Hold records to the truth: every one there, each once, equal and in order. Returns how many there are."""
    expected, count, seen = truth.ids(stream), 0, set[str]()
    for unit, found in itertools.groupby(records, key=lambda record: unit_of(stream, record)):
        assert unit not in seen, f"{stream}: {unit} is there twice"
        seen.add(unit)
        got = [{name: value for name, value in record.items() if name != "_run"} for record in found]
        wanted = truth.records(stream, unit)
        assert got == wanted, f"{stream}: {unit} differs"
        count += len(got)
    assert seen <= expected, f"{stream} holds what is not in the account: {seen - expected}"
    missing = [unit for unit in expected - seen if truth.records(stream, unit)]
    assert not missing, f"{stream}: {len(missing)} are missing, such as {missing[:3]}"
    return count


def compare_conversations(truth: Truth, folder: Path, streams: Iterable[str]) -> dict[str, int]:
    """Hold the files of several streams to the truth in one go, since all of them have the units in the same order."""
    groups = {stream: _Units(stream, lines(folder, stream)) for stream in streams}
    order = [row["id"] for row in lines(folder, "units") if row["kind"] == "conversation"]
    counts = dict.fromkeys(groups, 0)
    assert len(order) == len(set(order)), "a unit was written twice"
    if groups:
        assert set(order) == truth.ids("conversations"), "the units are not those of the account"
    for unit in order:
        for stream, group in groups.items():
            got = group.take(unit)
            assert got == truth.records(stream, unit), f"{stream}: {unit} differs"
            counts[stream] += len(got)
    assert all(group.waiting is None for group in groups.values()), "a unit is there twice"
    return counts


class _Units:
    """The records of one stream, unit by unit."""

    def __init__(self, stream: str, records: Iterable[Record]) -> None:
        self.stream = stream
        self._groups = itertools.groupby(records, key=lambda record: unit_of(stream, record))
        self.waiting = next(self._groups, None)

    def take(self, unit: str) -> list[Record]:
        """The records of ``unit``, if it is the next one; none otherwise."""
        if self.waiting is None or self.waiting[0] != unit:
            return []
        got = [_without_run(record) for record in self.waiting[1]]
        self.waiting = next(self._groups, None)
        return got


def _without_run(record: Record) -> Record:
    del record["_run"]
    return record


def compare_folder(truth: Truth, folder: Path, streams: Iterable[str] = EVERY_STREAM) -> dict[str, int]:
    """Hold the files of a folder to the truth, and its manifest to its files. Returns the number of records."""
    streams = list(streams)
    counts = {stream: compare(truth, stream, lines(folder, stream)) for stream in streams if stream in OF_ACCOUNT}
    counts |= compare_conversations(truth, folder, [stream for stream in streams if stream not in OF_ACCOUNT])
    check_manifest(folder, counts)
    return counts


def check_manifest(folder: Path, counts: Mapping[str, int]) -> None:
    """Hold the manifest to the files: counts, sizes, sha256, columns, and no file that it does not name."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    named: set[str] = set()
    for stream, about in manifest["streams"].items():
        assert about["records"] == counts.get(stream, about["records"])
        assert about["records"] == sum(segment["records"] for segment in about["segments"])
        for segment in about["segments"]:
            content = (folder / segment["file"]).read_bytes()
            named.add(segment["file"])
            assert len(content) == segment["bytes"]
            assert content.count(b"\n") == segment["records"]
            assert hashlib.sha256(content).hexdigest() == segment["sha256"]
            first = json.loads(content[: content.index(b"\n")])
            assert list(first) == list(about["columns"])
            assert set(about["unit_key"]) <= set(first)
    assert named == {path.name for path in folder.glob("*-*.jsonl")}


def current(truth: Truth, folder: Path, streams: str) -> None:
    """Compare the present records of a folder with the account."""
    for stream in streams.split(","):
        compare(truth, stream, read_stream(folder, stream))
