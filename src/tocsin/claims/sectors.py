"""What is called critical infrastructure, and by whom: lists of sectors, each its maker's own.

Several lists side by side, ordered by name, from several regions; none is the measure of another,
and none says whether a thing that was hit belongs to it. Sectors are in our own short words.

Spec: the texts that each list names.
"""

from __future__ import annotations

from msgspec import Struct


class SectorList(Struct, frozen=True, kw_only=True):
    """One maker's sectors, in the order of its text."""

    ref: str
    maker: str
    text: str
    """The text and its clause."""
    url: str
    sectors: tuple[str, ...]


LISTS: tuple[SectorList, ...] = (
    SectorList(
        ref="au-soci",
        maker="Australia",
        text="Security of Critical Infrastructure Act 2018, section 8D",
        url="https://www.legislation.gov.au/C2018A00029/latest/text",
        sectors=(
            "communications",
            "data storage or processing",
            "financial services and markets",
            "water and sewerage",
            "energy",
            "health care and medical",
            "higher education and research",
            "food and grocery",
            "transport",
            "space technology",
            "defence industry",
        ),
    ),
    SectorList(
        ref="cn-cii",
        maker="China",
        text="Regulation on the security protection of critical information infrastructure, 2021, "
        "article 2",
        url="https://www.gov.cn/zhengce/content/2021-08/17/content_5631671.htm",
        sectors=(
            "public communication and information services",
            "energy",
            "transport",
            "water",
            "finance",
            "public services",
            "electronic government",
            "science, technology and industry of national defence",
        ),
    ),
    SectorList(
        ref="eu-nis2-1",
        maker="European Union",
        text="Directive (EU) 2022/2555, annex I, sectors of high criticality",
        url="https://eur-lex.europa.eu/eli/dir/2022/2555/oj",
        sectors=(
            "energy",
            "transport",
            "banking",
            "financial market infrastructures",
            "health",
            "drinking water",
            "waste water",
            "digital infrastructure",
            "ICT service management between businesses",
            "public administration",
            "space",
        ),
    ),
    SectorList(
        ref="eu-nis2-2",
        maker="European Union",
        text="Directive (EU) 2022/2555, annex II, other critical sectors",
        url="https://eur-lex.europa.eu/eli/dir/2022/2555/oj",
        sectors=(
            "postal and courier services",
            "waste management",
            "chemicals",
            "food",
            "manufacturing",
            "digital providers",
            "research",
        ),
    ),
    SectorList(
        ref="in-nciipc",
        maker="India",
        text="sectors of the National Critical Information Infrastructure Protection Centre, under "
        "section 70A of the Information Technology Act, 2000",
        url="https://nciipc.gov.in/",
        sectors=(
            "power and energy",
            "banking, financial services and insurance",
            "telecommunications",
            "transport",
            "government",
            "strategic and public enterprises",
            "health",
        ),
    ),
    SectorList(
        ref="ru-187",
        maker="Russian Federation",
        text="Federal Law No. 187-FZ of 26 July 2017 as amended, article 2",
        url="http://publication.pravo.gov.ru/Document/View/0001201707260023",
        sectors=(
            "health",
            "science",
            "transport",
            "communications",
            "energy",
            "registration of rights in real estate",
            "banking and other financial markets",
            "fuel and energy",
            "atomic energy",
            "defence",
            "rockets and space",
            "mining",
            "metals",
            "chemicals",
        ),
    ),
    SectorList(
        ref="sg-csa",
        maker="Singapore",
        text="Cybersecurity Act 2018, First Schedule, essential services",
        url="https://sso.agc.gov.sg/Act/CA2018",
        sectors=(
            "energy",
            "information and communications",
            "water",
            "health care",
            "banking and finance",
            "security and emergency services",
            "aviation",
            "land transport",
            "maritime",
            "functioning of government",
            "media",
        ),
    ),
    SectorList(
        ref="us-nsm22",
        maker="United States of America",
        text="National Security Memorandum 22 of 30 April 2024, which names the sectors of "
        "Presidential Policy Directive 21 of 2013 again",
        url="https://www.cisa.gov/topics/critical-infrastructure-security-and-resilience/"
        "critical-infrastructure-sectors",
        sectors=(
            "chemicals",
            "commercial facilities",
            "communications",
            "critical manufacturing",
            "dams",
            "defence industry",
            "emergency services",
            "energy",
            "financial services",
            "food and agriculture",
            "government services and facilities",
            "health care and public health",
            "information technology",
            "nuclear reactors, materials and waste",
            "transport",
            "water and waste water",
        ),
    ),
)
"""By name of the maker."""
