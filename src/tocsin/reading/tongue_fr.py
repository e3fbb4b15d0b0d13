"""French, for reading claims: a table, no rules (`tongues.py` says what each field is)."""

from __future__ import annotations

from tocsin.reading.cues import words
from tocsin.reading.tongues import Tongue


def _grouped(groups: dict[str, str]) -> dict[str, str]:
    return {form: group for group, forms in groups.items() for form in forms.split()}


_MONTHS = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
_MONTH = "|".join(_MONTHS)
# Charged with and without "a", denied with "n'a".
_DEEDS = (
    "mené|lancé|attaqué|piraté|saboté|infiltré|espionné|volé|orchestré|conduit|commis|visé|perturbé"
    "|compromis"
)

TONGUE = Tongue(
    code="fr",
    shape="capital",
    cues=_grouped(
        {
            "say": "affirme affirment déclare déclarent dit disent estime estiment explique"
            " expliquent indique indiquent précise précisent souligne soulignent ajoute ajoutent"
            " assure assurent répond répondent annonce annoncent rappelle rappellent juge jugent"
            " confirme confirment conclut prévient raconte poursuit insiste insistent soutient"
            " soutiennent note notent écrit écrivent reconnaît répète martèle lance glisse"
            " affirmait déclarait disait expliquait estimait déclarant affirmant ajoutant précisant"
            " expliquant soulignant indiquant assurant estimant",
            "demand": "exige exigent exhorte exhortent somme demande demandent réclame réclament",
            "accuse": "accuse accusent accusant",
            "deny": "dément démentent nie nient rejette rejettent réfute réfutent conteste"
            " contestent démentant niant rejetant",
            "call": "appelle appellent appelant",
            "stand": "condamne condamnent dénonce dénoncent",
            "tie": "attribue attribuent attribuant",
        }
    ),
    participles=_grouped(
        {
            "say": "affirmé déclaré dit estimé expliqué indiqué précisé souligné ajouté assuré"
            " répondu annoncé rappelé jugé confirmé conclu prévenu raconté poursuivi insisté"
            " soutenu noté écrit reconnu répété martelé lancé fait observé commenté révélé"
            " qualifié promis regretté répliqué rétorqué réagi tweeté averti demandé lâché plaidé",
            "demand": "exigé exhorté sommé réclamé",
            "accuse": "accusé",
            "deny": "démenti nié rejeté réfuté contesté",
            "call": "appelé",
            "stand": "condamné dénoncé",
            "tie": "attribué",
            "find": "découvert détecté décelé",
        }
    ),
    auxiliaries=words("a ont avait avaient a-t-il a-t-elle ont-ils ont-elles aura ayant"),
    that=words("que qu' qu’"),
    according=(
        ("selon",),
        ("d'", "après"),
        ("d’", "après"),
        ("d'après",),
        ("d’après",),
        ("pour",),
    ),
    told_by={("selon", "lui"): "m", ("selon", "elle"): "f", ("selon", "eux"): None},
    halts=words(
        "lors devant dans à au aux sur sous pendant après avant depuis durant en par lundi mardi"
        " mercredi jeudi vendredi samedi dimanche hier aujourd'hui aujourd’hui ce cette mercredi"
        " avec face lorsque quand qui dont où et ou mais à l'issue interrogé interrogée contre"
        " vers chez entre comme auprès"
    ),
    links=words("de du des d' d’ l' l’ la le les à l"),
    roles=words(
        "porte-parole ministre président présidente directeur directrice chef cheffe général"
        " responsable secrétaire ambassadeur ambassadrice procureur procureure analyste chercheur"
        " chercheuse expert experte ingénieur ingénieure professeur professeure député députée"
        " maire préfet préfète patron patronne fondateur fondatrice avocat avocate conseiller"
        " conseillère délégué déléguée gouverneur premier première fonctionnaire commandant"
        " technicien technicienne journaliste adjoint adjointe numéro dirigeant dirigeante"
        " diplomate intéressé intéressée directeur-général capitaine employé employée"
        " ouvrier ouvrière attaché attachée juge avocat-général"
    ),
    organs=words("ministère agence société entreprise gouvernement office centre conseil"),
    women=words(
        "présidente directrice cheffe ambassadrice procureure chercheuse experte ingénieure"
        " professeure députée préfète patronne fondatrice avocate conseillère déléguée première"
        " technicienne adjointe dirigeante madame mme"
    ),
    either=words(
        "porte-parole ministre responsable secrétaire maire analyste chef général capitaine"
        " journaliste numéro fonctionnaire expert professeur procureur commandant ambassadeur"
    ),
    pronouns={"il": "m", "elle": "f", "ils": None, "elles": None},
    articles=words("le la les l' l’ un une des son sa ses leur leurs ce cette notre nos m. mme"),
    adverbs=words("également aussi ensuite encore notamment toutefois alors cependant enfin"),
    ands=words("et mais puis"),
    negations=words("ne n' n’ pas jamais ni aucun aucune"),
    infinitives=words("avoir être n' n’"),
    asked_by={
        "accuse": words("de d' d’"),
        "demand": words("à de d' d’ que qu' qu’"),
        "call": words("à"),
        "tie": words("à au aux"),
    },
    before_asked=words("à au aux"),
    elisions=True,
    gerund="ant$",
    genders={"la": "f", "le": "m", "une": "f", "un": "m", "mme": "f"},
    naming=words("nom appelé appelée baptisé baptisée surnommé surnommée intitulé intitulée dit"),
    unknown=r"\b(?:ne|n['’]) ?(?:peut|peuvent|pouvait|pouvaient|pas pouvoir|sait|savait)"
    r" (?:pas )?(?:encore )?(?:confirmer|établir|déterminer|dire|vérifier)\b",
    kinds=(
        ("denial", r"\b(?:nous|je) (?:démentons|démens|rejetons|rejette|nions|nie|réfutons)\b"),
        (
            "demand",
            r"\b(?:doit|doivent|devez|devrait|devraient) (?:immédiatement |d['’]abord )?"
            r"(?:cesser|arrêter|mettre fin|renoncer|s['’]abstenir|ne (?:pas|plus))"
            r"|\bne (?:doit|doivent) (?:pas|plus)\b|\b[Cc]essez\b|\bnous exigeons\b",
        ),
        (
            "denial",
            r"\binfondée?s?\b|\bdénuée?s? de (?:tout )?fondement\b"
            r"|\bsans (?:aucun )?fondement\b|\bcalomni|\bfabriqué|\binventée?s?\b"
            r"|\bdiffamat|\bmensong|\bn['’](?:avons|ai|a|ont|avait|avaient) (?:(?:jamais|pas|rien)"
            r" )?(?:à voir|" + _DEEDS + r")\b"
            r"|\bn['’](?:est|était|sont|étaient) (?:pas|nullement|en rien|ni)"
            r" (?:à l['’]origine|responsables?|derrière|impliquée?s?)\b|\bce n['’]est pas nous\b",
        ),
        (
            "reported-declaration",
            r"\b(?:a|ont|avait|avaient) (?:elle-même |lui-même )?"
            r"(?:déclaré|annoncé|reconnu|admis|revendiqué)\b",
        ),
        (
            "accusation",
            r"(?<!n['’])\b(?:a|ont|avait|avaient) (?:délibérément )?(?:" + _DEEDS + r")\b"
            r"|\b(?:est|sont) (?:à l['’]origine|responsables?) (?:de|des|du)\b",
        ),
        (
            "attribution",
            r"\b(?:attribuons|est l['’]œuvre|liée?s? à|attribuée?s? à"
            r"|imputable|est derrière|sont derrière)\b",
        ),
        ("discovery", r"\b(?:avons|ont|a) (?:découvert|détecté|décelé)\b"),
        (
            "victim-claim",
            r"\b(?:victimes? d|(?:a|ont|avons) subi [^.]{0,30}attaques?"
            r"|(?:a été|avons été|ont été) (?:visée?s?|attaquée?s?|touchée?s?"
            r"|piratée?s?)|(?:notre|nos) [^.]{0,40} (?:a|ont) été (?:visée?|attaquée?|touchée?))",
        ),
        ("position", r"\bnous (?:condamnons|dénonçons|soutenons|nous opposons)\b"),
        (
            "call",
            r"\b[Nn]ous appelons\b|\b(?:appelle|appel) à\b"
            r"|\bréponse (?:commune|conjointe|collective)\b",
        ),
    ),
    weekdays=("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    months=tuple(_MONTHS),
    dated=(rf"(?P<d>\d{{1,2}})(?:er)? (?P<m>{_MONTH})(?: (?P<y>\d{{4}}))?",),
    yesterday="hier",
    today="aujourd['’]hui|ce matin|ce soir",
    last_year="l['’]an dernier|l['’]année dernière|l['’]an passé",
)
