"""The words that reading claims from text goes by: data, no rules.

Nothing here names a party, a state or an outlet, nor an adjective of one: the rules must read the
same whoever speaks (claims.md §5). A cue is listed by its base form; `CUES` maps every inflected
form to its meaning.
"""

from __future__ import annotations

from typing import NamedTuple


def words(listed: str) -> frozenset[str]:
    """A table of words, written as they are read."""
    return frozenset(listed.split())


# What a cue does to the words after it.
#   say     "said (that) CLAUSE"                    tell    "told SOMEONE (that) CLAUSE"
#   note    "noted that CLAUSE", never bare         demand  "urged SOMEONE to DO", "demanded THING"
#   accuse  "accused SOMEONE of THING"              tie     "attributed THING to SOMEONE"
#   deny    "denied THING", "denied that CLAUSE"    find    "discovered THING": no speech
#   stand   "condemned THING"                       call    "called for THING", "called X Q"
#   label   only beside a quotation                 vow     "vowed to DO", "vowed that CLAUSE"
GROUPS: dict[str, str] = {
    "say": "say claim believe think suggest report reckon insist argue estimate",
    "note": (
        "state add note stress emphasize emphasise underline underscore highlight reiterate repeat"
        " explain announce declare maintain assert contend acknowledge admit concede confirm reveal"
        " disclose affirm proclaim observe remark comment recall conclude predict forecast caution"
        " complain testify write tweet post boast lament quip joke allege suspect counter"
        " retort indicate mention charge assess judge clarify elaborate surmise imply fear hope"
        " agree"
        " signal speculate tout show find rule brag"
    ),
    "tell": "tell inform assure remind notify",
    "warn": "warn",
    "demand": "urge demand order instruct implore exhort request invite encourage require",
    "accuse": "accuse blame indict hold name",
    "tie": "attribute link tie trace ascribe connect associate",
    "deny": "deny reject dismiss refute dispute repudiate rebut rebuff disavow disown",
    "find": "discover uncover detect unearth identify spot",
    "stand": (
        "condemn oppose denounce deplore support endorse criticize criticise propose recommend"
    ),
    "call": "call appeal",
    "vow": "vow pledge promise threaten swear",
    "label": (
        "describe label dub brand slam blast hail praise ridicule mock portray characterize"
        " characterise decry tout cite quote respond reply answer continue laugh shout exclaim"
        " cry whisper joke muse chant sing begin conclude email gush compare retweet recount"
        " welcome attack defend lambaste"
        " snap scoff snort interject express voice refer deride ask wonder inquire read chide term"
    ),
    "point": "point",
}

# Past form, participle and -ing form where the regular ones are wrong.
IRREGULAR: dict[str, tuple[str, ...]] = {
    "say": ("says", "said", "saying"),
    "tell": ("tells", "told", "telling"),
    "think": ("thinks", "thought", "thinking"),
    "write": ("writes", "wrote", "written", "writing"),
    "swear": ("swears", "swore", "sworn", "swearing"),
    "hold": ("holds", "held", "holding"),
    "begin": ("begins", "began", "begun", "beginning"),
    "sing": ("sings", "sang", "sung", "singing"),
    "read": ("reads", "read", "reading"),
    "cry": ("cries", "cried", "crying"),
    "deny": ("denies", "denied", "denying"),
    "reply": ("replies", "replied", "replying"),
    "imply": ("implies", "implied", "implying"),
    "testify": ("testifies", "testified", "testifying"),
    "notify": ("notifies", "notified", "notifying"),
    "clarify": ("clarifies", "clarified", "clarifying"),
    "tie": ("ties", "tied", "tying"),
    "admit": ("admits", "admitted", "admitting"),
    "rebut": ("rebuts", "rebutted", "rebutting"),
    "quip": ("quips", "quipped", "quipping"),
    "forecast": ("forecasts", "forecast", "forecasting"),
    "refer": ("refers", "referred", "referring"),
    "dub": ("dubs", "dubbed", "dubbing"),
    "stress": ("stresses", "stressed", "stressing"),
    "assess": ("assesses", "assessed", "assessing"),
    "express": ("expresses", "expressed", "expressing"),
    "dismiss": ("dismisses", "dismissed", "dismissing"),
    "confess": ("confesses", "confessed", "confessing"),
    "label": ("labels", "labelled", "labeled", "labelling", "labeling"),
    "signal": ("signals", "signalled", "signaled", "signalling", "signaling"),
    "attack": ("attacks", "attacked", "attacking"),
    "disown": ("disowns", "disowned", "disowning"),
    "agree": ("agrees", "agreed", "agreeing"),
    "tweet": ("tweets", "tweeted", "tweeting"),
    "detect": ("detects", "detected", "detecting"),
    "reject": ("rejects", "rejected", "rejecting"),
    "exclaim": ("exclaims", "exclaimed", "exclaiming"),
    "appeal": ("appeals", "appealed", "appealing"),
    "reveal": ("reveals", "revealed", "revealing"),
    "show": ("shows", "showed", "shown", "showing"),
    "find": ("finds", "found", "finding"),
    "spot": ("spots", "spotted", "spotting"),
    "brag": ("brags", "bragged", "bragging"),
    "snap": ("snaps", "snapped", "snapping"),
    "identify": ("identifies", "identified", "identifying"),
}


class Cue(NamedTuple):
    """One inflected form: its base form, group, and which form it is."""

    lemma: str
    group: str
    form: str  # "base" | "s" | "past" | "ing"


def _regular(base: str) -> tuple[str, ...]:
    if base.endswith("e"):
        return base + "s", base + "d", base[:-1] + "ing"
    if base.endswith(("s", "sh", "ch", "x")):
        return base + "es", base + "ed", base + "ing"
    return base + "s", base + "ed", base + "ing"


def _cues() -> dict[str, Cue]:
    found: dict[str, Cue] = {}
    for group, words in GROUPS.items():
        for word in words.split():
            for form in (word, *(IRREGULAR.get(word) or _regular(word))):
                if form.endswith("ing"):
                    kind = "ing"
                elif form == word and form not in ("read", "forecast"):
                    kind = "base"
                elif form.endswith("s") and form[-2:] != "ss":
                    kind = "s"
                else:
                    kind = "past"
                found.setdefault(form, Cue(word, group, kind))
    return found


CUES: dict[str, Cue] = _cues()

# Speech that may bring a bare clause: "said the relay was down".
BARE = words(
    "say claim believe think insist argue suggest reckon estimate admit acknowledge"
    " concede announce confirm maintain predict reveal allege contend fear hope explain"
    " add note warn"
)
# What a speaker's thing says in the speaker's place: "Northland's statement said", "in a report".
SPEECH_NOUNS = words(
    "statement statements comment comments remark remarks words message messages tweet"
    " tweets letter report claim claims warning assertion post email emails speech"
    " testimony declaration announcement argument response reply note memo communique"
    " allegation allegations accusation accusations charge charges contention view opinion"
    " promise pledge demand appeal denial"
)
# Written things that say what is in them: "notes released on Monday revealed", "records show".
DOCUMENTS = words(
    "notes records transcript transcripts minutes files papers document documents report reports"
    " survey surveys study studies memo memos memorandum email emails letter letters statement"
    " statements filing filings affidavit indictment complaint advisory bulletin log logs paper"
    " audit audits review inquiry poll polls data figures"
    " file tweet post article articles cable cables message messages text texts"
)
# "notes RELEASED on Monday", "a letter SEEN by NAME": how a document came to light.
CAME_OUT = words(
    "released published issued obtained seen reviewed leaked posted dated made prepared filed"
    " unsealed signed written circulated distributed"
)

# Cues only where a document or a body is the subject and words follow: "the audit found that".
WEAK = frozenset(["show", "find"])

# Persons by what they do: what follows or goes before a name is a role, and the name a person's.
ROLES = words(
    "spokesman spokeswoman spokesperson spokespersons spokesmen minister president"
    " premier chancellor secretary director chief head chair chairman chairwoman"
    " chairperson ambassador envoy senator congressman congresswoman lawmaker governor"
    " mayor general colonel admiral commander captain officer official analyst researcher"
    " professor lecturer expert engineer adviser advisor strategist economist manager"
    " founder co-founder owner ceo cto cio ciso lawyer attorney prosecutor judge justice"
    " journalist reporter editor correspondent author writer historian candidate nominee"
    " leader deputy aide counsel commissioner representative delegate diplomat scientist"
    " doctor king queen prince princess emir sheikh pope bishop sheriff partner fellow"
    " host anchor activist coordinator administrator executive vice-president"
    " undersecretary operator investigator detective inspector member trader broker"
    " student teacher coach colleague predecessor successor counterpart rival neighbour neighbor"
    " brother sister husband wife son daughter widow man woman boss chairwoman master pilot"
    " technician fisherman driver worker resident witness curator pollster"
)
FEMALE = words(
    "mrs ms miss madam smt shrimati kumari frau madame señora spokeswoman chairwoman"
    " congresswoman queen princess lady actress"
)
MALE = words(
    "mr sir shri sri herr monsieur señor spokesman chairman congressman king prince lord emir"
    " sheikh pope"
)
HONORIFICS = words(
    "mr mrs ms miss dr sir madam lord lady prof shri sri smt shrimati kumari datuk dato haji alhaji"
    " engr herr frau monsieur madame señor señora"
)
# Capitalised before a name: part of the role, not of the name.
TITLES = words(
    "president minister secretary senator sen rep gov governor chancellor general gen"
    " director ambassador commissioner chairman chairwoman chairperson mayor justice judge king"
    " queen"
    " prince premier spokesman spokeswoman spokesperson professor colonel col admiral adm"
    " lt captain capt sgt sheriff speaker congressman congresswoman representative envoy"
    " emir sheikh pope detective inspector analyst officer chief republican democrat dem"
)
# A name that ends in, or holds, one of these is not a person's.
ORGANS = words(
    "ministry agency command company bank university department party corp corporation"
    " inc ltd group bureau office council committee commission court force forces army"
    " navy police service services institute laboratory lab labs center centre union"
    " association organisation organization authority government administration campaign"
    " republic kingdom states house senate congress parliament embassy cert isac consulate"
    " cabinet alliance league network news times post journal press media tv radio street"
    " energy power grid electric telecom systems security technologies software holdings"
    " partners international world national fund board team foundation society school"
    " college hospital port airport city county"
)
LY_NOUNS = words("family assembly ally daily weekly monthly supply anomaly monopoly")
# Several people or a body, in lower case, that may speak: "officials said".
SPEAKING = words(
    "officials ministry government company firm agency office police authorities"
    " researchers analysts experts investigators operator operators prosecutors lawmakers"
    " lawyers sources source report statement study document documents letter newspaper"
    " website team campaign committee department administration embassy court judge army"
    " military union group party bank council commission spokesmen people critics officers"
    " economists aides leaders ministers diplomats residents witnesses organisation"
    " organization bureau firms companies states parties investors traders supporters"
    " opponents delegation advisory bulletin email memo filing indictment complaint notice"
    " post tweet blog vendor centre center authority regulator utility board reporters man"
    " woman mother father others some many both several most few candidate survey poll agencies"
    " notes records transcript transcripts minutes papers memos emails files surveys studies"
    " reports letters statements filings affidavit cable cables audit audits review inquiry"
    " groups activists campaigners person insider insiders engineers audience data figures victim"
    " alliance assembly parliament diplomat contractor mission commissioners"
    " broadcaster airline hospital port institute laboratory university college school airport"
    " foundation society association corporation league command navy consulate cabinet congress"
    " senate museum club charity retailer manufacturer supplier provider guard directorate"
    " prosecution defence telecom exchange organisations organizations industry governments"
    " ministries departments committees bodies authors"
    " plaintiff plaintiffs defendant defendants claimant claimants respondent respondents appellant"
    " petitioner petitioners applicant tribunal jury panel watchdog ombudsman capital capitals"
    " clinic clinics insurer lender carrier shipper railway crew gang collective chain startup"
)

SPEAKING |= frozenset(role + "s" for role in ROLES) | words("pilots workers captain crew victims")

PRONOUNS = words("he she they it")
FIRST = frozenset(["i", "we"])
NARRATOR_FREE = words("you i we one there this that which what these those everyone anyone")

AUXILIARIES = words(
    "has have had is are was were be been being do does did will would can could may"
    " might shall should must 's 've 'd 'll ’s ’ve ’d ’ll"
)
MODALS = words("would could may might should can must shall")
NEGATIONS = words(
    "not never n't didn't didn’t don't don’t doesn't doesn’t hasn't hasn’t haven't"
    " haven’t hadn't hadn’t wouldn't wouldn’t couldn't couldn’t won't won’t can't can’t"
    " cannot isn't isn’t wasn't wasn’t weren't weren’t neither nor without"
)
ADVERBS = words(
    "also later then again however too further still just once now thus already ever even"
    " only often yet soon instead meanwhile therefore simply always has have had"
)
PREPOSITIONS = words(
    "in on at by with from to into onto over under about against during after before"
    " since through between among across amid around behind beside beyond despite inside"
    " outside near off per than toward towards until till upon via within without as like"
    " unlike except regarding concerning following throughout along above below because"
)
OF_WHICH = words("of for from at in with on about by")
"""What ties a noun to what it is of: "head of", "expert on"."""
LEADING = PREPOSITIONS | ADVERBS
"""What may stand before a clause's subject."""
CONJUNCTIONS = words("and or but nor yet so plus while whereas")
# Nobody did it, or it was done to nothing; and words behind "no" by which that is not said.
NOBODY = words("no none nobody nothing neither")
NOT_NOBODY = words(
    "doubt question matter wonder fewer less more longer later sooner other better worse"
)
SUBORDINATORS = words(
    "that which who whom whose when where while if because although though unless until"
    " whether since as after before once how why what whereas"
)
DETERMINERS = words(
    "the a an this that these those its their his her our my your some any all each every"
    " no both many several most few another other such two three four five six seven eight nine ten"
)
ARTICLES = frozenset(["the", "a", "an"])
# Capitalised only because they open a sentence; never a name there.
OPENERS = (
    PREPOSITIONS
    | CONJUNCTIONS
    | SUBORDINATORS
    | DETERMINERS
    | PRONOUNS
    | FIRST
    | AUXILIARIES
    | ADVERBS
    | words(
        "there here you him them me not according citing yesterday today tomorrow last next"
        " this earlier recently meanwhile still nearly almost about more less other others"
        " what it's i'm we're they're he's she's let for of yes nothing nobody everyone no one"
        " two three four five six seven eight nine ten first second finally additionally"
        " moreover furthermore indeed perhaps maybe asked please"
    )
)
# A verb other than a cue that shows a clause has its verb, so no name runs across it.
COMMON_VERBS = words(
    "went came took run made gave got met visited returned arrived left held led began"
    " started stopped became remained seemed appeared showed shows saw sees found finds"
    " knew kept let put set ran runs won lost sent brought built bought paid used uses"
    " wanted wants needs need plans planned tried tries trying continues continued"
    " expected expects faced faces includes included hit hits rose fell dropped gained"
    " closed opened published released issued gave launched carried hacked attacked"
    " breached targeted stole stolen conducted orchestrated directed sabotaged disrupted"
    " infiltrated compromised spied ran operated waged mounted says"
)

# Harm done by the subject: "has carried out", "launched" (claims.md §3.7).
HARM = words(
    "weaponised weaponized disabled hijacked intercepted eavesdropped exfiltrated siphoned infected"
    " bribed blackmailed extorted defaced wiretapped paralysed paralyzed corrupted falsified rigged"
    " manipulated bugged looted smuggled stolen exploited"
    " attacked hacked breached sabotaged infiltrated compromised spied stole disrupted"
    " launched conducted orchestrated waged mounted unleashed targeted penetrated tampered"
    " masterminded perpetrated implanted planted crippled destroyed wiped jammed"
    " engineered staged sponsored interfered meddled bombarded"
)
HARM_BASE = words(
    "attack hack breach sabotage infiltrate compromise spy steal disrupt launch conduct"
    " orchestrate wage mount target penetrate perpetrate implant plant cripple destroy"
    " wipe sponsor interfere meddle attacking hacking breaching sabotaging infiltrating"
    " compromising spying stealing disrupting launching conducting orchestrating waging"
    " mounting targeting penetrating perpetrating implanting planting crippling destroying"
    " wiping sponsoring interfering meddling attacks hacks breaches sabotages infiltrates"
    " launches conducts orchestrates wages targets penetrates sponsors"
)
# Two words that do harm together: "broke into", "spied on".
HARM_PAIRS = {
    "into": words("broke broken breaking break breaks burrowed tapped tapping hacked hacking"),
    "down": words("took taken taking knocked shut brought"),
    "out": words("carried carrying knocked knocking"),
}
# What becomes harm by what it is done to: "directed this operation", "pays these criminals".
ACTS = words(
    "directed directs directing ran run runs running ordered orders ordering sent sends sending led"
    " leads leading planned plans planning organised organized commissioned commanded pays paid"
    " paying shelters sheltered sheltering harbours harbors harboured harbored funded funds funding"
    " trained trains training armed arms arming sponsored hosts hosted hosting deployed deploys"
    " made makes built released"
)
HARMFUL = words(
    "malware ransomware spyware wiper wipers implant implants worm virus backdoor backdoors botnet"
    " criminals hackers saboteurs spies intruders attackers gang gangs exploit exploits rootkit"
    " disinformation"
)
# Whose reading is spying: "has been reading our diplomats' mail".
READS = words("reading read listening tapping monitoring watching")
PRIVATE = words(
    "mail mails email emails messages calls communications correspondence cables phones"
)
# Who does harm, where no word says that they speak: "Dorran hackers disabled".
DOERS = words(
    "hackers services operatives agents units unit spies intruders attackers vessels saboteurs"
    " soldiers crew gang actors criminals contractors regime ships drones"
)
# What is found by those who look: "identified three vulnerabilities", "malware had been found".
FINDINGS = HARMFUL | words(
    "vulnerability vulnerabilities flaw flaws weakness weaknesses loader tool tools trace traces"
    " sample samples traffic server servers account accounts file files campaign activity evidence"
    " infrastructure group cluster variant payload script scripts intrusion breach code signs"
)
# Before "to" and a deed: "tried to break into", "using our networks to attack".
TRIES = words(
    "tried tries trying attempted attempts attempting sought seeks seeking continued continues"
    " continuing using uses used planned plans planning"
)
# Nobody finds these but who looks for intruders.
IMPLANTS = words(
    "malware ransomware spyware wiper implant implants backdoor backdoors botnet rootkit exploit"
    " vulnerability vulnerabilities flaw flaws loader trojan worm virus weakness weaknesses"
    " shell shells webshell webshells dropper stealer keylogger beacon beacons"
)
# A charge as a thing: "the alleged NAME cyber-attacks".
CHARGE_NOUNS = words(
    "attack attacks cyber-attack cyber-attacks cyberattack cyberattacks hack hacks"
    " hacking intrusion intrusions breach breaches espionage sabotage operation operations"
    " campaign campaigns interference spying aggression surveillance malware"
)
HARMS = HARMFUL | CHARGE_NOUNS
BE = words("is are was were be been being")
KNOWS = words("confirm verify determine establish say know exclude rule identify")
"""Not known is no charge: "could not confirm who was behind the attack"."""
AGAINST = words("against of about after with")
# What a charge is said to be by who denies it.
DENIAL_PREDICATES = words(
    "absurd nonsense nonsensical ridiculous preposterous laughable false lie lies fiction invention"
    " fantasy forged forgery forgeries fake tale tales myth farce eyewash hoax propaganda baseless"
    " unproven unsubstantiated untenable far-fetched unjustified"
)
CHARGES = words(
    "charge charges claim claims allegation allegations accusation accusations report reports"
    " finding findings insinuation insinuations assertion assertions story version"
)
# No part in it: "had no role", "knew nothing of".
NO_PART = words("role part involvement hand knowledge connection link links intention interest")
DENIAL_WORDS = words(
    "smear smears smearing smeared groundless fabricated fabrication fabrications"
    " baseless unfounded slander slanderous invented untrue concocted"
)
STOP_WORDS = words("stop cease end halt refrain desist abandon")
DECLARED = words(
    "declared declares announced announces admitted admits acknowledged acknowledges"
    " boasted stated proclaimed confirmed conceded"
)
TIES = words("related linked tied connected traced attributed attributable")
SERVES = words("work works worked working act acts acted acting operates operated operating")
BACKED = words("backed run sponsored directed controlled funded ordered supported")
# Of whom one demands an act: "should come clean", "should withdraw".
ANSWERS_FOR = words(
    "come explain apologise apologize withdraw retract disclose publish answer clarify release"
    " return extradite hand account resign admit compensate respect"
)
SYMPATHY = words(
    "solidarity concern concerns support regret sympathy outrage condolences gratitude opposition"
)
# What one is: "we are concerned", "NAME is firmly opposed to".
STANCES = words("opposed concerned committed alarmed shocked saddened dismayed outraged grateful")
# A quotation that begins with one orders something.
ORDERS = words("leave release return withdraw apologise apologize hand give show prove keep get")
JOINT = words("joint jointly together collective collectively common concerted")

# Before a quotation: a name of a thing, not somebody's words.
NAMING = words(
    "titled entitled called dubbed named nicknamed headlined so-called known codenamed"
    " subtitled film movie book song series show album documentary novel game exercise"
    " operation codename term word phrase words hashtag slogan banner sign label labelled"
    " labeled folder file section chapter page hereafter hereinafter subject"
)

MONTHS = {
    name: n
    for n, names in enumerate(
        (
            "january jan",
            "february feb",
            "march mar",
            "april apr",
            "may",
            "june jun",
            "july jul",
            "august aug",
            "september sep sept",
            "october oct",
            "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}
WEEKDAYS = {
    name: n
    for n, names in enumerate(
        (
            "monday mon",
            "tuesday tue tues",
            "wednesday wed",
            "thursday thu thurs",
            "friday fri",
            "saturday sat",
            "sunday sun",
        )
    )
    for name in names.split()
}

ABBREVIATIONS = words(
    "mr mrs ms dr prof gen sen rep gov st no vs inc co corp ltd lt col sgt jr sr capt adm"
    " hon rev jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri e.g i.e"
    " etc al cf fig approx est dept"
)

# Headings under which an outlet lists other things, folded, by language (claims.md §3.2).
BOILERPLATE: dict[str, frozenset[str]] = {
    "en": frozenset(
        {
            "most read news",
            "most read",
            "most popular",
            "most viewed",
            "most shared",
            "read more",
            "read also",
            "read next",
            "also read",
            "see also",
            "more news",
            "more stories",
            "more from us",
            "more on this story",
            "more on this topic",
            "related",
            "related news",
            "related articles",
            "related stories",
            "related topics",
            "related posts",
            "related content",
            "recommended",
            "recommended for you",
            "recommended stories",
            "you may also like",
            "you might also like",
            "trending",
            "trending now",
            "trending topics",
            "top stories",
            "top news",
            "latest news",
            "latest stories",
            "latest",
            "popular",
            "popular now",
            "popular posts",
            "don't miss",
            "editor's picks",
            "editors' picks",
            "share",
            "share this",
            "share this article",
            "share this story",
            "share on",
            "follow us",
            "subscribe",
            "subscribe now",
            "subscribe to our newsletter",
            "newsletter",
            "sign up",
            "sign up for our newsletter",
            "advertisement",
            "sponsored",
            "sponsored content",
            "comments",
            "leave a comment",
            "leave a reply",
            "tags",
            "topics",
            "categories",
            "footer",
            "site map",
            "about us",
            "contact us",
        }
    ),
    "de": frozenset(
        {
            "meistgelesen",
            "meistgelesene artikel",
            "mehr zum thema",
            "lesen sie auch",
            "das könnte sie auch interessieren",
            "ähnliche artikel",
            "verwandte themen",
            "teilen",
            "newsletter",
            "anzeige",
            "kommentare",
        }
    ),
    "fr": frozenset(
        {
            "les plus lus",
            "à lire aussi",
            "lire aussi",
            "sur le même sujet",
            "articles liés",
            "partager",
            "s'abonner",
            "newsletter",
            "commentaires",
        }
    ),
    "es": frozenset(
        {
            "lo más leído",
            "lo más visto",
            "noticias relacionadas",
            "artículos relacionados",
            "te puede interesar",
            "compartir",
            "suscríbete",
            "comentarios",
        }
    ),
    "tr": frozenset({"en çok okunanlar", "ilgili haberler", "çok okunanlar", "paylaş"}),
    "ru": frozenset(
        {"самое читаемое", "читайте также", "по теме", "популярное", "поделиться", "подписаться"}
    ),
    "zh": frozenset({"相关新闻", "相关阅读", "热门新闻", "推荐阅读", "热点新闻", "分享", "订阅"}),
    "ar": frozenset({"الأكثر قراءة", "اقرأ أيضا", "أخبار ذات صلة", "شارك"}),
}
