"""Figures, negations and loaded terms by language, for comparing two texts: data, no rules.

Patterns are matched against words as `scan.fold` leaves them. A family holds terms that are
mistaken or exchanged for each other; a translation that has another member than its original says
something else.
"""

from __future__ import annotations


def _ordered(listed: str, start: int = 3) -> dict[str, float]:
    return {word: float(n) for n, word in enumerate(listed.split(), start)}


# From three: smaller words are as often articles and turns of phrase.
NUMBER_WORDS: dict[str, dict[str, float]] = {
    "en": _ordered(
        "three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
        " seventeen eighteen nineteen twenty"
    )
    | {"one": 1, "two": 2, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70}
    | {"eighty": 80, "ninety": 90, "hundred": 100, "dozen": 12},
    "fr": _ordered(
        "trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize"
    )
    | {"vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60, "cent": 100},
    "es": _ordered("tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince")
    | {"veinte": 20, "treinta": 30, "cuarenta": 40, "cincuenta": 50, "cien": 100},
    "ru": _ordered("три четыре пять шесть семь восемь девять десять одиннадцать двенадцать")
    | {"трех": 3, "трёх": 3, "четырех": 4, "четырёх": 4, "пяти": 5, "шести": 6, "десяти": 10}
    | {"двадцать": 20, "тридцать": 30, "сорок": 40, "пятьдесят": 50, "сто": 100},
    "ar": _ordered("ثلاثة اربعة خمسة ستة سبعة ثمانية تسعة عشرة")
    | {"ثلاث": 3, "اربع": 4, "خمس": 5, "ست": 6, "سبع": 7, "ثماني": 8, "تسع": 9, "عشر": 10}
    | {"عشرون": 20, "عشرين": 20, "مئة": 100, "مائة": 100},
}
SCALES: dict[str, tuple[tuple[str, float], ...]] = {
    "en": (("thousand", 1e3), ("million", 1e6), ("billion", 1e9), ("hundred", 1e2)),
    "fr": (("mille", 1e3), ("millions", 1e6), ("million", 1e6), ("milliard", 1e9)),
    "es": (("mil millones", 1e9), ("mil", 1e3), ("millones", 1e6), ("millón", 1e6)),
    "ru": (("тысяч", 1e3), ("тыс", 1e3), ("миллион", 1e6), ("млн", 1e6), ("миллиард", 1e9)),
    "ar": (("الف", 1e3), ("مليون", 1e6), ("ملايين", 1e6), ("مليار", 1e9)),
    "zh": (("万亿", 1e12), ("亿", 1e8), ("千万", 1e7), ("百万", 1e6), ("万", 1e4), ("千", 1e3)),
}

NEGATION: dict[str, str] = {
    "en": r"\b(?:not|no|never|none|nobody|nothing|neither|nor|without|cannot)\b|n['’]t\b",
    "fr": r"\b(?:ne|jamais|aucun|aucune|rien|ni|sans|non)\b|\bn['’]",
    "es": r"\b(?:no|nunca|jamás|ningún|ninguna|ninguno|nada|ni|sin|tampoco)\b",
    "ru": r"\b(?:не|нет|ни|никогда|никак\w*|никто|ничего|ничто|без)\b",
    "ar": r"\b(?:لا|لم|لن|ليس|ليست|غير|دون|بدون|بلا)\b",
    "zh": r"不|没|未|无|非|勿|莫",
}
# Within a word, or a verb that denies: enough to answer a "not" of the other text, and no more.
SOFT_NEGATION: dict[str, str] = {
    "en": r"\b(?:un(?:founded|true|proven|known|justified|acceptable|able|related|lawful)\w*"
    r"|in(?:discriminate|valid|accurate|accept|correct|capable|consist)\w*"
    r"|dis(?:miss|own|agree|approv|prov)\w*|\w+less|non-?\w+|im(?:possible|proper)\w*"
    r"|il(?:legal|legitimate)\w*|ir(?:responsib|relevan)\w*|den(?:y|ies|ied|ial)\b|lack\w*|fail\w*"
    r"|refus\w+|reject\w+|free of|oppos\w+|stop\w*|baseless)",
    "fr": r"\b(?:in(?:fond|accept|discrim|capab|exact|connu)\w*|im(?:possib)\w*|il(?:lég)\w*"
    r"|ir(?:respons)\w*|dément\w*|nie\w*|refus\w*|rejet\w*|non-\w+|cess\w*)",
    "es": r"\b(?:in(?:fundad|acept|discrim|capa|exact)\w*|im(?:posib)\w*|ile?gal\w*"
    r"|irrespons\w*|desmin\w*|nieg\w*|neg[óa]\w*|rechaz\w*|desconoc\w*|ces\w*)",
    "ru": r"\b(?:не\w{3,}|без\w{3,}|бес\w{3,}|отрица\w*|отверг\w*|опроверг\w*|отказ\w*)",
    "ar": r"\b(?:نفى|نفت|ينفي|رفض|رفضت|ننفي|نرفض|انكر)\b|عدم",
    "zh": r"否认|拒绝|反对|驳斥|停止",
}
# Letters of a negation in words that deny nothing; taken out before the negations are sought.
NO_NEGATION: dict[str, str] = {
    "en": r"\bnot only\b|\bno doubt\b|\bno matter\b|\bnot least\b|\bno\. ?\d",
    "fr": r"\bne\b[^.]{1,30}\bque\b|\bnon seulement\b|\bsans doute\b",
    "es": r"\bno sólo\b|\bno solo\b|\bsin duda\b|\bsin embargo\b",
    "ru": r"\bне только\b|\bтем не менее\b|\bне менее\b|\bне более\b",
    "ar": r"لا سيما|ليس فقط|لا يزال|لا تزال|غير ان",
    "zh": r"不断|不仅|不但|不同|不过|不久|不少|不管|不论|无论|未来|非常|非洲|除非|无线"
    r"|无人机|无非|不得不"
    r"|莫斯科|无疑|不禁|不已|差不多|无数|毫不|不可否认",
}

_ATTACK = {
    "attack": {
        "en": r"\b(?:cyber-?)?attack\w*",
        "zh": r"攻击|袭击",
        "fr": r"\b(?:cyber)?attaqu\w*",
        "es": r"\b(?:ciber)?ataqu\w*",
        "ru": r"(?:кибер)?атак\w*|нападени\w*",
        "ar": r"هجوم|هجمات|هجمه",
    },
    "espionage": {
        "en": r"\bespionage\b|\bspying\b",
        "zh": r"间谍|窃密|窃听",
        "fr": r"\bespionn\w*",
        "es": r"\bespion\w*",
        "ru": r"шпион\w*",
        "ar": r"تجسس",
    },
    "probing": {
        "en": r"\bprob(?:e|es|ed|ing)\b|\bscan\w*",
        "zh": r"探测|扫描|试探",
        "fr": r"\bsond(?:e|es|é|age|ages)\b|\bscan\w*",
        "es": r"\bsonde\w*|\bescane\w*",
        "ru": r"зондир\w*|сканир\w*",
        "ar": r"مسح|استطلاع",
    },
    "war": {
        "en": r"\b(?:cyber)?war(?:fare)?\b",
        "zh": r"战争",
        "fr": r"\b(?:cyber)?guerre\w*",
        "es": r"\b(?:ciber)?guerra\w*",
        "ru": r"(?:кибер)?войн\w*",
        "ar": r"حرب",
    },
}
_REACH = {
    "indiscriminate": {
        "en": r"\bindiscriminate\w*",
        "zh": r"无差别",
        "fr": r"\bindiscrimin\w*|\bsans discrimination\b",
        "es": r"\bindiscriminad\w*",
        "ru": r"неизбирательн\w*",
        "ar": r"عشوائي\w*|دون تمييز",
    },
    "discriminatory": {
        "en": r"\bdiscriminat(?:ory|ive|ing)\b",
        "zh": r"歧视",
        "fr": r"\bdiscriminat\w*",
        "es": r"\bdiscriminator\w*",
        "ru": r"дискриминац\w*|дискриминир\w*",
        "ar": r"تمييزي\w*",
    },
}
_SURE = {
    "suspected": {
        "en": r"\bsuspect\w*|\balleged\w*",
        "zh": r"涉嫌|疑似|据称",
        "fr": r"\bsoupçonn\w*|\bprésumé\w*",
        "es": r"\bsospech\w*|\bpresunt\w*",
        "ru": r"подозрева\w*|предполагаем\w*",
        "ar": r"مشتبه|مزعوم\w*",
    },
    "confirmed": {
        "en": r"\bconfirm\w*|\bproven\b",
        "zh": r"证实|确认",
        "fr": r"\bconfirm\w*|\bprouv\w*",
        "es": r"\bconfirm\w*|\bprobad\w*",
        "ru": r"подтвержд\w*|доказан\w*",
        "ar": r"مؤكد\w*|اكد\w*",
    },
}
_STAND = {
    "condemn": {
        "en": r"\bcondemn\w*",
        "zh": r"谴责",
        "fr": r"\bcondamn\w*",
        "es": r"\bconden\w*",
        "ru": r"осужда\w*|осуди\w*",
        "ar": r"ندين|ادان\w*|تدين|يدين",
    },
    "regret": {
        "en": r"\bregret\w*",
        "zh": r"遗憾",
        "fr": r"\bregrett\w*",
        "es": r"\blament\w*",
        "ru": r"сожале\w*",
        "ar": r"نأسف|ناسف|اسف\w*",
    },
    "concern": {
        "en": r"\bconcern(?:s|ed)?\b",
        "zh": r"关切|担忧",
        "fr": r"\bpréoccup\w*|\binquiét\w*",
        "es": r"\bpreocup\w*",
        "ru": r"обеспокоен\w*|озабоченн\w*",
        "ar": r"قلق\w*",
    },
}
_ASK = {
    "demand": {
        "en": r"\bdemand\w*",
        "zh": r"要求",
        "fr": r"\bexig\w*",
        "es": r"\bexig\w*",
        "ru": r"требу\w*|потребова\w*",
        "ar": r"نطالب|طالب\w*|تطالب",
    },
    "call": {
        "en": r"\bcalls? (?:on|for)\b|\bcalled (?:on|for)\b|\burge\w*",
        "zh": r"呼吁|敦促",
        "fr": r"\bappel\w*|\bexhort\w*",
        "es": r"\bllam(?:a|amos|an|ó)\b|\binst\w*|\bexhort\w*",
        "ru": r"призыва\w*|призва\w*",
        "ar": r"ندعو|دعا|دعت|تدعو|نحث",
    },
}
_WHO = {
    "terrorist": {
        "en": r"\bterror\w*",
        "zh": r"恐怖",
        "fr": r"\bterror\w*",
        "es": r"\bterror\w*",
        "ru": r"террор\w*",
        "ar": r"ارهاب\w*",
    },
    "criminal": {
        "en": r"\bcriminal\w*",
        "zh": r"犯罪|罪犯",
        "fr": r"\bcriminel\w*",
        "es": r"\b(?:criminal|delincuent)\w*",
        "ru": r"преступн\w*",
        "ar": r"اجرامي\w*|مجرم\w*",
    },
    "hacker": {
        "en": r"\bhacker\w*",
        "zh": r"黑客",
        "fr": r"\b(?:hacker|pirate)\w*",
        "es": r"\bhacker\w*",
        "ru": r"хакер\w*",
        "ar": r"هاكر|قراصنة",
    },
}

FAMILIES: tuple[dict[str, dict[str, str]], ...] = (_ATTACK, _REACH, _SURE, _STAND, _ASK, _WHO)
