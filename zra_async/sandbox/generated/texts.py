"""The sentences of the account's conversations, and the summaries of the analysis."""

from __future__ import annotations

MEETING_TOPICS = (
    "{product}: first call with {company}", "{company} – {product} walkthrough", "Pricing round, {company}",
    "{product} pilot review ({company})", "Security questions from {company}", "{company} / renewal of {product}",
    "Kick-off: {product} at {company}", "{company}: contract details", "Technical deep dive, {product}",
    "Quarterly check-in with {company}", "{company} → {product} migration plan", "Café chat with {company} ☕",
)  # fmt: skip

REP_LINES = (
    "Let me share my screen and walk you through the screens your team would see every day.",
    "Most teams of your size are live within six weeks, provided the data export is clean.",
    "I have noted that, and I will bring our engineer to the next call.",
    "The licence is counted by active seats, so holiday cover does not cost extra.",
    "Right, so the import runs overnight and you get a short report in the morning.",
    "We keep the records in the region you choose, and you can move them later.",
    "Honestly, for that case I would start with the smaller package.",
    "Our support desk answers within two hours, also on weekends.",
    "If I may summarise: you want fewer manual steps between the order and the invoice.",
    "That button opens the history, and every change is kept with a name and a time.",
    "Sí, claro – the Spanish interface has been there since spring.",
    "We can switch that off for your account; it is only a default.",
    "Good, then the next screen shows the same figures by branch.",
    "You would see the forecast move as soon as the stage changes.",
)  # fmt: skip

CUSTOMER_LINES = (
    "We tried something like this two years ago and nobody used it after a month.",
    "Our finance people insist on a monthly export, they will not log into another tool.",
    "That is roughly what I expected, thank you.",
    "Hm, okay. I need to think about how the warehouse would take that.",
    "At the moment all of this lives in spreadsheets, a lot of spreadsheets.",
    "The naïve approach would be to copy everything, but our records are a mess.",
    "I like that. My colleague in Łódź has been asking for exactly this view.",
    "Our legal team needs about three weeks for any new contract.",
    "We had an outage in March, so reliability is on everybody's mind.",
    "Could be, but the drivers only have their phones with them.",
    "Let me be open with you, there is another offer on the table.",
    "The numbers look fine, it is the change for the people that worries me.",
    "Ja, genau, that is the report I meant.",
    "なるほど, so the approval stays with the branch manager.",
)  # fmt: skip

FILLERS = ("Um, ", "So, ", "Well, ", "You know, ", "Okay, ", "", "", "", "", "")

QUESTIONS = (
    "What would have to happen in the first month for you to call this a success?",
    "How do you decide today which order goes out first?",
    "Who besides you will look at this before it is signed?",
    "Where does the time go between the request and the delivery?",
    "What have you already tried, and why did it not stick?",
    "If the price were settled, what else would stand in the way?",
    "How would your team notice that something went wrong?",
    "Which of these reports do people really open?",
)

NEXT_STEPS = (
    "I will send the revised offer by Thursday.",
    "We will set up a test account with ten of your real orders.",
    "Please send me the data protection form and I will have it filled in.",
    "Let us meet again next Tuesday with your IT colleagues.",
    "I will check the delivery date with our planners and write to you.",
    "You will get the recording and the slides this afternoon.",
    "We agreed that you talk to finance before Friday.",
)

TOPIC_LINES = (
    "On {label}, I would like to understand how it works today.",
    "Let us talk about {label} for a moment, since it came up twice.",
    "As for {label}, that is usually the point where projects slow down.",
)

INDICATOR_LINES = (
    "You mentioned {key_word}, and that is where I would be careful.",
    "For us {key_word} matters more than anything on that slide.",
    "When I hear {key_word}, I think of the trouble we had last year.",
)

CHAPTER_TITLES = (
    "Opening and introductions", "How they work today", "Walkthrough", "Open questions", "Terms and timing", "Wrap-up",
)  # fmt: skip
CHAPTER_CATEGORIES = ("Introduction", "Discovery", "Demo", "Q&A", "Negotiation", "Closing")

WINS = (
    ("Pain is clear", "The team described the manual hand-over between order and invoice as their largest cost."),
    ("Sponsor found", "The head of operations offered to present the plan to the board herself."),
    ("Fits the calendar", "The customer wants to be live before the season starts, which the plan allows."),
)
CONCERNS = (
    ("Another offer", "A competing vendor has already sent a contract, and its price is lower."),
    ("Legal review", "Contracts take about three weeks on the customer's side, which endangers the quarter."),
    ("Adoption", "An earlier tool was abandoned after a month; training was not part of that project."),
)

SUMMARIES = (
    "{company} described how orders are handled today and where time is lost. {host} showed {product} and will send a "
    "revised offer.",
    "The call went through the open points of the security review at {company}. Two answers are still missing and will "
    "be sent by {host}.",
    "{host} and {company} reviewed the pilot of {product}: usage is above the goal, the mobile view needs work.",
    "{company} compared {product} with another vendor. Price is close; support hours and the migration plan decide.",
)

COMMENTS = (
    "Nice recovery after the pricing question 👏", "Could you follow up on the data export here?",
    "This is the objection we should add to the playbook.", "Great pause – the customer kept talking.",
    "Too long a monologue, three minutes without a question.", "@all please listen from here.",
    "Señal clara de compra.", "Who owns this next step?",
)  # fmt: skip

SCORE_REASONS = (
    "The question was asked early and the answer was summed up.",
    "Covered, but the customer had to bring it up.",
    "Only touched on in the last minute.",
)
SCORE_COMMENTS = ("Keep doing this.", "Let us rehearse it together.", "", "Better than last week!")
