"""Invented people, customers and products."""

from __future__ import annotations

#: The company whose account this is; `.example` can never be a real address.
DOMAIN = "quillmere.example"

FIRST_NAMES = (
    "Amara", "Benedikt", "Camille", "Dashiell", "Elodie", "Farid", "Giulia", "Hendrik", "Ines", "Jovan",
    "Kerstin", "Leopold", "Mireille", "Nikhil", "Odile", "Priya", "Quentin", "Rosalind", "Søren", "Tamsin",
    "Ulrike", "Valentín", "Wilhelmina", "Ximena", "Yusuf", "Zoë", "Łukasz", "Chloé", "Олена", "美咲",
    "Abebe", "Birgitta", "Cosmin", "Dervla", "Emeka", "Freya", "Gonçalo", "Hyun-woo", "Ivana", "Jürgen",
)  # fmt: skip

LAST_NAMES = (
    "Abernathy", "Brandvold", "Castellano", "Dubrovsky", "Eriksson", "Fonseca", "Grünwald", "Haverford", "Ibarra",
    "Jankowski", "Kettleby", "Lindqvist", "Marchetti", "Nakagawa", "O'Rourke", "Pemberton", "Quiroga", "Rasmussen",
    "Szabó", "Thistlewood", "Underhill", "Vasquez-Moreno", "Whitcombe", "Xenakis", "Yamaguchi", "Zieliński",
    "Åkerlund", "Bhattacharya", "Çelik", "de la Fontaine", "Mac Giolla", "Шевченко", "山田", "Okonkwo", "Nguyễn",
)  # fmt: skip

COMPANIES = (
    "Alderbrook Foods", "Bexley & Thorne", "Cinderpath Logistics", "Dovetail Robotics", "Emberline Energy",
    "Fernhollow Clinics", "Gildenmoor Bank", "Harrowgate Textiles", "Inkwell Publishing", "Juniper Quay Hotels",
    "Kestrel Aerostructures", "Lanternfish Media", "Mossbridge Insurance", "Nettlecombe Dairies", "Oxbow Analytics",
    "Pellworth Chemicals", "Quarrystone Cement", "Ravensfell Games", "Saltmarsh Shipping", "Tidewick Telecom",
    "Umberfield Schools", "Vossholm Müller GmbH", "Wrenfield Pharma", "Xylem Orchards", "Yarrowdale Water",
    "Zephyr Lane Cycles", "Ångström Optik AB", "Café Belleville SARL", "東雲電機", "Ostrava Čerpadla s.r.o.",
)  # fmt: skip

PRODUCTS = (
    "Dispatch Console", "Forecast Cloud", "Ledger Sync", "Onboarding Suite", "Route Planner", "Signal Hub",
    "Support Desk", "Warehouse Vision",
)  # fmt: skip

JOB_TITLES = ("Head of Operations", "IT Director", "Procurement Lead", "CFO", "VP Sales", "Solutions Architect")

REGIONS = ("", " Nordics", " Iberia", " Asia Pacific", " East", " Holding")


def company_name(company: int) -> str:
    """Give the name of customer number ``company``."""
    return COMPANIES[company % len(COMPANIES)] + REGIONS[company // len(COMPANIES) % len(REGIONS)]
