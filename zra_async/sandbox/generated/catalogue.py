"""The account's settings: indicators, topics, scorecard forms and playbooks, the same in every account of one seed."""

from __future__ import annotations

from dataclasses import dataclass

from zra_async.sandbox.generated.entropy import domain, number, opaque_id

CATEGORIES = ("Competitors", "Objections", "Pricing talk", "Compliance", "Buying signals", "Good habits")
KEY_WORDS = (
    ("Brindlesoft", "Cloudhatch", "Orrery One", "Pepperfield", "Taskwright", "Veldt CRM"),
    ("too expensive", "no budget", "not a priority", "need to think", "locked in", "bad experience"),
    ("discount", "per seat", "list price", "payment terms", "annual plan", "rebate"),
    ("data protection", "retention", "encryption", "audit", "consent", "sub-processor"),
    ("timeline", "decision maker", "pilot", "purchase order", "go-live", "roll-out"),
    ("agenda", "recap", "next meeting", "open question", "success criteria", "thank you"),
)
INDICATOR_TYPES = ("basic", "advanced", "guiding_sentences")
MENTIONED_BY = ("anyone", "reps", "prospects")
TOPIC_LABELS = (
    "pricing", "onboarding", "data import", "security", "support hours", "mobile app", "reporting", "contract terms",
    "integrations", "migration", "training", "roadmap", "service levels", "user roles", "billing", "small talk",
)  # fmt: skip
FORMS = (
    ("Discovery call", "How well the needs of the customer were explored",
     ("Opening", "Current process", "Pain", "Decision process")),
    ("Demo quality", "Whether the demo followed what the customer had asked for",
     ("Relevance", "Pace", "Questions answered")),
    ("Negotiation", "How price and terms were handled",
     ("Anchoring", "Concessions", "Summary of terms", "Next step", "Tone")),
)  # fmt: skip
PLAYBOOKS = (
    ("MEDDPICC", ("Metrics", "Economic buyer", "Decision criteria", "Pain", "Champion")),
    ("First call", ("Reason to talk now", "Team and roles", "Tools in use")),
    ("Renewal", ("Usage", "Open tickets", "Expansion")),
)


@dataclass(frozen=True, slots=True)
class Indicator:
    """A word or phrase that the account has asked to be told about."""

    indicator_id: str
    name: str
    key_word: str
    category_id: str
    category_name: str
    type: str
    mentioned_by: str
    enabled: bool
    age: int  #: seconds between its creation and the start of the account's history


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject the analysis recognises."""

    topic_id: str
    label: str


@dataclass(frozen=True, slots=True)
class Form:
    """A scorecard before it is filled in."""

    scorecard_id: str
    name: str
    description: str
    questions: tuple[tuple[str, str], ...]  #: (question_id, title)


@dataclass(frozen=True, slots=True)
class Playbook:
    """A list of things a conversation should find out."""

    playbook_id: str
    name: str
    elements: tuple[tuple[str, str], ...]  #: (element_id, name)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All settings of one account."""

    indicators: tuple[Indicator, ...]
    topics: tuple[Topic, ...]
    forms: tuple[Form, ...]
    playbooks: tuple[Playbook, ...]


def make_catalogue(seed: int) -> Catalogue:
    """Make the settings of the account with this seed; their ids differ from seed to seed."""
    return Catalogue(
        indicators=_indicators(seed),
        topics=tuple(Topic(opaque_id(domain(seed, "topics"), n), label) for n, label in enumerate(TOPIC_LABELS)),
        forms=tuple(
            Form(opaque_id(domain(seed, "forms"), n), name, description, _parts(seed, f"form {n}", questions))
            for n, (name, description, questions) in enumerate(FORMS)
        ),
        playbooks=tuple(
            Playbook(opaque_id(domain(seed, "playbooks"), n), name, _parts(seed, f"playbook {n}", elements))
            for n, (name, elements) in enumerate(PLAYBOOKS)
        ),
    )


def _parts(seed: int, name: str, titles: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    space = domain(seed, name)
    return tuple((opaque_id(space, n), title) for n, title in enumerate(titles))


def _indicators(seed: int) -> tuple[Indicator, ...]:
    space, categories = domain(seed, "indicators"), domain(seed, "categories")
    pairs = [(c, word) for c, key_words in enumerate(KEY_WORDS) for word in key_words]
    return tuple(
        Indicator(
            indicator_id=opaque_id(space, n),
            name=f"{CATEGORIES[c]}: {word}",
            key_word=word,
            category_id=opaque_id(categories, c),
            category_name=CATEGORIES[c],
            type=INDICATOR_TYPES[n % 3],
            mentioned_by=MENTIONED_BY[number(space, n) % 3],
            enabled=n % 9 != 8,
            age=86400 + number(space, n) % (300 * 86400),
        )
        for n, (c, word) in enumerate(pairs)
    )
