"""The tables of the ledger of an export in SQLite, and how those of an earlier version become the present ones."""

from __future__ import annotations

KIND = 0x5A524145  #: "ZRAE"
SCHEMA = (
    """
    CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE run (
        number INTEGER PRIMARY KEY, parameters TEXT NOT NULL, begun TEXT NOT NULL, latest TEXT NOT NULL,
        finished TEXT);
    CREATE TABLE listing (run INTEGER, kind TEXT, PRIMARY KEY (run, kind)) WITHOUT ROWID;
    CREATE TABLE unit (
        kind TEXT, id TEXT, version TEXT NOT NULL, state TEXT NOT NULL, run INTEGER NOT NULL, seen INTEGER NOT NULL,
        rows_run INTEGER, digest BLOB, reason TEXT NOT NULL, payload BLOB,
        PRIMARY KEY (kind, id)) WITHOUT ROWID;
    CREATE TABLE waiting (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, version TEXT NOT NULL,
        payload BLOB NOT NULL, UNIQUE (kind, id));
    CREATE TABLE person (id TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE segment (
        stream TEXT, number INTEGER, run INTEGER NOT NULL, file TEXT NOT NULL, bytes INTEGER NOT NULL,
        records INTEGER NOT NULL, sha256 TEXT, PRIMARY KEY (stream, number)) WITHOUT ROWID
    """,
    # every stream of a unit has a state and a run of its own; a part that came from the first version has no digest
    """
    CREATE TABLE part (
        kind TEXT, id TEXT, stream TEXT, state TEXT NOT NULL, rows_run INTEGER, records INTEGER, digest BLOB,
        reason TEXT NOT NULL, PRIMARY KEY (kind, id, stream)) WITHOUT ROWID;
    CREATE INDEX refused_part ON part (stream) WHERE state = 'refused';
    WITH known (stream, kind) AS (VALUES
        ('conversations', 'conversation'),
        ('participants', 'conversation'),
        ('transcripts', 'conversation'),
        ('topics', 'conversation'),
        ('next_steps', 'conversation'),
        ('questions', 'conversation'),
        ('indicator_mentions', 'conversation'),
        ('chapters', 'conversation'),
        ('deal_memos', 'conversation'),
        ('playbooks', 'conversation'),
        ('scorecards', 'conversation'),
        ('scorecard_questions', 'conversation'),
        ('comments', 'conversation'),
        ('recordings', 'conversation'),
        ('deals', 'deal'),
        ('deal_activities', 'deal'),
        ('teams', 'team'),
        ('team_members', 'team'),
        ('team_managers', 'team'),
        ('playlists', 'user'),
        ('indicators', 'indicator'),
        ('scheduled_meetings', 'meeting'))
    INSERT INTO part SELECT unit.kind, unit.id, known.stream, 'done', unit.rows_run, NULL, NULL, ''
        FROM unit JOIN known ON known.kind = unit.kind JOIN setting ON setting.name = 'streams'
        WHERE unit.rows_run IS NOT NULL AND instr(setting.value, '"' || known.stream || '"');
    UPDATE unit SET digest = NULL;
    ALTER TABLE waiting ADD COLUMN streams TEXT NOT NULL DEFAULT ''
    """,
)
