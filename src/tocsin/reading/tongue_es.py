"""Spanish, for reading claims: a table, no rules (`tongues.py` says what each field is)."""

from __future__ import annotations

from tocsin.reading.cues import words
from tocsin.reading.tongues import Tongue


def _grouped(groups: dict[str, str]) -> dict[str, str]:
    return {form: group for group, forms in groups.items() for form in forms.split()}


_MONTHS = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]
_MONTH = "|".join(_MONTHS)
# The same deeds charged and denied.
_DEEDS = (
    "lanzado|atacado|hackeado|saboteado|infiltrado|espiado|robado|orquestado|perpetrado"
    "|llevado a cabo|interrumpido"
)
_DID = "lanzó|atacó|saboteó|perpetró|orquestó|infiltró|robó|hackeó"

TONGUE = Tongue(
    code="es",
    shape="capital",
    cues=_grouped(
        {
            "say": "dijo dijeron dice dicen afirmó afirmaron afirma afirman declaró declararon"
            " declara aseguró aseguraron asegura señaló señalaron señala explicó explicaron explica"
            " indicó indicaron indica subrayó subrayaron subraya agregó agregaron añadió añadieron"
            " añade sostuvo sostuvieron sostiene anunció anunciaron anuncia confirmó confirmaron"
            " confirma respondió respondieron responde replicó advirtió advirtieron advierte"
            " manifestó manifestaron recordó recuerda insistió insiste precisó precisaron concluyó"
            " reconoció reconocieron reiteró reiteraron escribió escribieron comentó contó opinó"
            " consideró consideraron considera estimó apuntó destacó remarcó enfatizó expresó"
            " reveló revelaron admitió admitieron afirmando añadiendo señalando asegurando"
            " explicando subrayando preguntó preguntaron pregunta ironizó zanjó sostienen"
            " calificó calificaron califica tachó tacharon prometió prometieron lamentó",
            "demand": "exigió exigieron exige exigen instó instaron insta instan exhortó exhortaron"
            " exhorta pidió pidieron pide piden reclamó reclamaron ordenó",
            "accuse": "acusó acusaron acusa acusan acusando culpó culparon culpa",
            "deny": "negó negaron niega niegan desmintió desmintieron desmiente rechazó rechazaron"
            " rechaza rechazan refutó refutaron negando rechazando desmintiendo",
            "call": "llamó llamaron llama convocó abogó",
            "stand": "condenó condenaron condena condenan denunció denunciaron denuncia criticó",
            "tie": "atribuyó atribuyeron atribuye atribuyen vinculó vincularon vincula",
            "find": "descubrió descubrieron detectó detectaron halló hallaron",
        }
    ),
    participles=_grouped(
        {
            "say": "dicho afirmado declarado asegurado señalado explicado indicado subrayado"
            " agregado añadido sostenido anunciado confirmado respondido advertido manifestado",
            "demand": "exigido instado pedido reclamado",
            "accuse": "acusado culpado",
            "deny": "negado desmentido rechazado",
            "call": "llamado",
            "stand": "condenado denunciado",
            "tie": "atribuido vinculado",
            "find": "descubierto detectado",
        }
    ),
    auxiliaries=words("ha han había habían habrá hubo"),
    that=words("que"),
    according=(("según",), ("de", "acuerdo", "con"), ("para",), ("en", "palabras", "de")),
    told_by={("según", "él"): "m", ("según", "ella"): "f", ("según", "ellos"): None},
    halts=words(
        "en ante durante tras después antes desde hasta por sobre mediante lunes martes miércoles"
        " jueves viernes sábado domingo ayer hoy con contra cuando quien que donde y e o pero"
        " preguntado preguntada entre hacia mientras este esta como"
    ),
    links=words("de del la las los el"),
    roles=words(
        "portavoz vocero vocera ministro ministra presidente presidenta director directora jefe"
        " homólogo homóloga"
        " jefa general responsable secretario secretaria embajador embajadora fiscal analista"
        " investigador investigadora experto experta ingeniero ingeniera profesor profesora"
        " diputado diputada alcalde alcaldesa fundador fundadora abogado abogada consejero"
        " consejera gobernador gobernadora funcionario funcionaria comandante técnico técnica"
        " diplomático diplomática defensor defensora agregado agregada juez jueza"
        " asesor asesora vicepresidente vicepresidenta"
        " periodista canciller delegado delegada senador senadora capitán capitana vecino vecina"
    ),
    organs=words("ministerio agencia empresa gobierno oficina centro consejo compañía"),
    women=words(
        "vocera ministra presidenta directora jefa secretaria embajadora investigadora experta"
        " ingeniera profesora diputada alcaldesa fundadora abogada consejera gobernadora"
        " funcionaria técnica delegada senadora agregada jueza asesora vicepresidenta"
    ),
    either=words(
        "portavoz fiscal general responsable analista periodista canciller comandante jefe técnico"
    ),
    pronouns={"él": "m", "ella": "f", "ellos": None, "ellas": None},
    articles=words("el la los las un una unos unas su sus este esta nuestro nuestra"),
    adverbs=words("también además luego entonces asimismo incluso finalmente después"),
    ands=words("y e pero"),
    negations=words("no nunca jamás ni sin tampoco"),
    infinitives=words("haber ser estar"),
    asked_by={
        "accuse": words("de por"),
        "demand": words("a que"),
        "call": words("a"),
        "tie": words("a al"),
    },
    before_asked=words("a al"),
    dropped=True,
    gerund="ndo$",
    genders={"la": "f", "el": "m", "una": "f", "un": "m"},
    naming=words("llamado llamada conocido conocida denominado denominada como nombre titulado"),
    unknown=r"\bno (?:se )?(?:puede|pueden|podía|podían|pudo|pudieron|ha podido|sabe|saben)"
    r" (?:aún |todavía )?(?:confirmar|determinar|establecer|verificar|precisar|decir)?\b",
    kinds=(
        ("denial", r"\b(?:[Rr]echazamos|[Nn]egamos|[Dd]esmentimos|[Rr]echazo|[Nn]iego)\b"),
        (
            "demand",
            r"\b(?:debe|deben|debería|deberían|tiene que|tienen que) (?:dejar de|cesar|detener"
            r"|poner fin|abstenerse|parar)|\bno (?:debe|deben)\b|\b[Ee]xigimos\b|\b[Cc]esen\b",
        ),
        (
            "denial",
            r"\binfundad[oa]s?\b|\bcarece(?:n|mos)? de (?:tod[oa] )?"
            r"(?:pruebas?|fundamento|base|sustento)"
            r"|\bsin (?:ningún )?fundamento\b|\bcalumni|\bfabricad[oa]s?\b"
            r"|\binventad[oa]s?\b|\bdifam|\bmentiras?\b|\bnada que ver\b"
            rf"|\b(?:nunca|jamás|no) (?:(?:hemos|ha|han|he|había|habían) (?:{_DEEDS}|realizado)"
            rf"|{_DID})\b|\b(?:ning(?:ún|una)|nadie) (?!m[áa]s|otr|salvo|excepto)"
            rf"[^.,;:]{{0,60}}?\b(?:(?:ha|han|había|habían) (?:{_DEEDS})|{_DID})\b"
            r"|\bno (?:es|son|somos) (?:el |la |los |las )?responsables? (?:de|del)\b"
            r"|\bno está(?:n|mos)? (?:detrás|implicad)|\bno (?:fuimos|hemos sido) nosotros\b",
        ),
        (
            "reported-declaration",
            r"\b(?:ha|han|había|habían) (?:declarado|anunciado|reconocido|admitido)\b",
        ),
        (
            "accusation",
            r"(?<!nunca )(?<!no )(?<!jamás )\b(?:ha|han|había|habían)"
            rf" (?:{_DEEDS}|realizado un ataque)\b|\b(?:{_DID})\b"
            r"|\b(?:es|son) (?:el |la |los |las )?responsables? (?:de|del)\b"
            r"|\bestá detrás\b",
        ),
        (
            "attribution",
            r"\b[Aa]tribuimos\b|\bes obra de\b"
            r"|\b(?:vinculad[oa]s? (?:a|al|con)|atribuid[oa]s? (?:a|al)|atribuible)\b",
        ),
        ("discovery", r"\b(?:hemos|ha|han) (?:descubierto|detectado|hallado)\b|\bdescubrimos\b"),
        (
            "victim-claim",
            r"\b(?:sufrió|sufrieron|sufrimos) [^.]{0,30}ataques?\b"
            r"|\bvíctimas? (?:de|del)\b|\b(?:fue|fueron|fuimos|ha sido|hemos sido|han sido)"
            r" (?:atacad[oa]s?|blanco|objetivo|hackead[oa]s?|víctimas?)\b",
        ),
        ("position", r"\b(?:[Cc]ondenamos|[Nn]os oponemos|[Aa]poyamos|[Dd]enunciamos)\b"),
        (
            "call",
            r"\b(?:[Ll]lamamos|llamamiento) a\b|\b[Pp]edimos (?:a|que)\b"
            r"|\brespuesta (?:conjunta|común|colectiva)\b",
        ),
    ),
    weekdays=("lunes", "martes", "miércoles", "jueves", "viernes", "sábado", "domingo"),
    months=tuple(_MONTHS),
    dated=(rf"(?P<d>\d{{1,2}}) de (?P<m>{_MONTH})(?: del? (?P<y>\d{{4}}))?",),
    yesterday="ayer",
    today="hoy",
    last_year="el año pasado",
)
