"""What makes a sentence matter beyond its words: that it denies, demands or decides.

Mostly told by shape: a label before a colon, a tick, an arrow, words in capitals or in bold, code
in backticks. Denial has no shape; but its words are few and closed in every language, so those of
some twenty are listed, and a few stems of deciding and of obligation. A language that is not
listed loses this emphasis and nothing else.
"""

from __future__ import annotations

import re

_NEGATION = (
    r"\b(?:no|not|none|never|nor|nothing|nobody|neither|cannot|without|\w+n['’]t"
    r"|nicht|kein\w*|nie|niemals|ohne|nein"
    r"|pas|jamais|aucun\w*|sans|non|ni|sin|nunca|ning[uú]n\w*|não|nem|sem|senza|mai"
    r"|niet|geen|nooit|inte|aldrig|ikke|nigdy|bez|değil|yok|không|chưa|tidak|bukan|jangan"
    r"|не|нет|ни|никогда|никто|ничего|нельзя|без|немає|ніколи"
    r"|لا|لم|لن|ليس|لیس|نه|نیست|לא|אין|नहीं|मत|না|নয়|ไม่)\b"
    r"|[不没沒无無未勿别別非]|ない|ません|なかった|않|못|없|아니|ไม่"
)
_DECISION = (
    r"\b(?:decid|decis|agree|chose\b|choos|prefer|must\b|always\b|let['’]s\b|instead"
    r"|entschie|entscheid|beschl|muss\b|müssen\b|immer\b|décid|choisi|doit\b|toujours\b"
    r"|decidi|acord|elegi|debe\b|siempre\b|escolh|deve\b|sempre\b|scelt"
    r"|реши|выбра|договор|должн|нужно\b|всегда\b|вместо\b|виріш|обра)"
    r"|决定|決定|选择|選擇|选了|同意|必须|必須|应该|應該|总是|決め|選び|合意|べき|결정|선택|합의|반드시"
)
_SHAPE = r"^[^\s:：][^:：\n]{0,30}[:：]\s|\[[xX✓]\]|[✓✔✗✘❌✅]|->|=>|→|⇒|\*\*|`|^#{1,6} "

_CUE = re.compile(f"(?P<negation>{_NEGATION})|(?P<decision>{_DECISION})", re.IGNORECASE)
_SIGN = re.compile(_SHAPE)
_LOUD = re.compile(r"\b[A-ZÀ-ÖØ-ÞА-ЯЁ]{4,}\b")
_EACH = 0.3


def emphasis(piece: str) -> float:
    """By how much more a piece matters than its words tell; 1 is not at all."""
    kinds = {match.lastgroup for match in _CUE.finditer(piece)}
    shaped = _SIGN.search(piece) is not None or _LOUD.search(piece) is not None
    return 1.0 + _EACH * (len(kinds) + shaped)
