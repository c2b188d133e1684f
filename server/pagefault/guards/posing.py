"""Texts that pose as instructions: words that a model might take for rules, and nobody has said.

Looked for are an order to drop earlier instructions, in the languages in which such orders are
met, a new identity for the model, markers of roles and of this server's own blocks, and words
addressed to whatever model may read them. The forms are those that collections of injected
prompts have in common; they are narrow on purpose, since a text that only speaks of prompts is
ordinary. A text that quotes such words is told apart from one that says them.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from .values import scalars

_LATEST = 200  # characters before a match that may open a quotation
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]")
_APOSTROPHE = re.compile(r"(?<=\w)’(?=\w)")
_PAIRS = (("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("『", "』"), ("‘", "’"))


@dataclass(frozen=True, slots=True)
class Posing:
    """What was found. ``quoted``: every such place stands in quotation marks or as code."""

    reason: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class _Form:
    """``signs``: what the pattern begins with; both are in lower case.

    It is compiled when a text first holds one of its signs, which most of them never do.
    """

    reason: str
    signs: tuple[str, ...]
    pattern: str


# Up to three words between two that matter; what only reports or allows is no order.
_GAP = r"(?:\W+\w+){0,3}?\W+"
_TOLD = (
    r"(?<!can )(?<!may )(?<!will )(?<!not )(?<!would )(?<!could )(?<!might )(?<!n't )"
    r"(?:(?<!to )|(?<=you to ))"
)
_MODEL = r"(?:ai|llm|assistant|chatbot|language model|gpt|dan|jailbroken|unrestricted)\b"
_DROP = "tells to drop earlier instructions"
_NAMED = "gives the model another identity"
_MARK = "holds marks of roles or rules"
_SPOKEN = "speaks to the model that reads it"


def _drop(signs: str, rest: str) -> _Form:
    """An order that begins with one of the words and goes on."""
    return _Form(_DROP, tuple(signs.split()), rf"(?<!\w){_TOLD}{rest}")


_FORMS = (
    _drop("ignore disregard forget override bypass",
        r"(?:ignore|disregard|forget|override|bypass)\b(?:"
        rf"{_GAP}(?:previous|prior|earlier|preceding|foregoing|above|original|initial|system|your)"
        r"\W+(?:\w+\W+){0,2}?(?:instructions?|prompts?|rules|directions|directives|guidelines)\b"
        r"|\W+(?:all\W+)?(?:of\W+)?(?:the\W+)?(?:previous|prior|your|above|earlier|preceding|system)"
        r"\W+(?:\w+\W+)?(?:instructions?|prompts?|rules|directions|directives|guidelines)\b"
        r"|\W+(?:all|any)\W+(?:of\W+)?(?:the\W+)?(?:other\W+)?instructions\b"
        r"|\W+everything\W+(?:above|before\W+this|you\W+(?:were|have\W+been)\W+told))"),
    _drop("ignorier vergiss vergessen missacht",
        r"(?:ignorieren?|vergiss|vergessen|missachten?)\b"
        rf"{_GAP}(?:vorherigen|bisherigen|vorigen|obigen|früheren|vorangegangenen|vorangehenden)"
        r"\W+(?:\w+\W+)?(?:anweisungen|instruktionen|regeln|befehle|vorgaben)\b"),
    _drop("ignore oublie",
        rf"(?:ignore[zr]?|oublie[zr]?){_GAP}(?:instructions|consignes|règles|directives)"
        r"\W+(?:précédentes|antérieures|ci-dessus|initiales)"),
    _drop("ignor olvid desconsider esque",
        rf"(?:ignor\w+|olvid\w+|desconsider\w+|esque\w+){_GAP}"
        r"(?:instrucciones|reglas|órdenes|indicaciones|instruções|regras|ordens)"
        r"\W+(?:anteriores|previas|prévias)\b"),
    _drop("ignora dimentica",
        rf"(?:ignora|ignorate|dimentica|dimenticate){_GAP}"
        r"(?:(?:istruzioni|regole|indicazioni)\W+precedenti|precedenti\W+(?:istruzioni|regole))\b"),
    _drop("negeer vergeet",
        rf"(?:negeer|vergeet){_GAP}(?:vorige|eerdere|voorgaande|bovenstaande)"
        r"\W+(?:instructies|regels|opdrachten)\b"),
    _drop("zignoruj ignoruj zapomnij",
        rf"(?:zignoruj|ignoruj|zapomnij){_GAP}(?:poprzedni|wcześniejsz|powyższ)\w+"
        r"\W+(?:instrukcj|polece|zasad)\w+"),
    _drop("игнорируй проигнорируй забудь",
        rf"(?:про)?(?:игнорируй|забудь)(?:те)?{_GAP}(?:предыдущи|прежни|вышеуказанны|прошлы)\w+"
        r"\W+(?:\w+\W+)?(?:инструкци|указани|правил|команд)\w*"),
    _drop("önceki", r"önceki[^.\n]{1,20}(?:talimat|komut|kural)[^.\n]{0,12}"
        r"(?:yok say|unut|görmezden gel|dikkate alma)"),
    _Form(_DROP, ("忽略", "无视", "無視", "忘记", "忘記", "不要理会"), (
        r"..{0,10}?(?:之前|以前|先前|前面|上面|以上|上述)[^。\n]{0,6}"
        r"(?:指令|指示|提示|说明|說明|规则|規則|命令)")),
    _Form(_DROP, ("以前の", "これまでの", "上記の", "前の"), (
        r".{2,5}[^。\n]{0,6}(?:指示|命令|ルール|プロンプト)[^。\n]{0,6}(?:無視|忘れ)"
        r"(?:して(?:ください|下さい|、)|しろ|せよ|てください|て下さい)")),
    _Form(_DROP, ("이전", "위의", "앞의", "지금까지의"), (
        r".{2,5}[^.\n]{0,8}(?:지시|명령|규칙|프롬프트)[^.\n]{0,6}"
        r"(?:무시(?:하고|해|하세요|하십시오)|잊어)")),
    _Form(_DROP, ("تجاهل",), (
        r"تجاهل[^.\n]{0,15}(?:التعليمات|الأوامر|القواعد)[^.\n]{0,10}السابقة")),
    _Form(_DROP, ("पिछले", "पिछली", "उपरोक्त"), (
        r"\S+[^।\n]{0,15}(?:निर्देश|आदेश|नियम)[^।\n]{0,12}(?:अनदेखा कर|नज़रअंदाज़ कर|भूल जा)")),
    _Form(_NAMED, ("you are now", "you're now", "you are no longer", "from now on"), (
        rf"(?:you(?:'re| are) now\W+(?:an?\W+)?(?:\w+\W+){{0,3}}?{_MODEL}"
        r"|you(?:'re| are) now in\W+(?:developer|debug|admin|god|jailbreak|unrestricted|dan)\W+mode"
        r"|you are no longer (?:bound|restricted by|limited by|an ai|a language model)"
        r"|from now on,? you (?:are an?\W+(?:\w+\W+){0,3}?" + _MODEL +
        r"|(?:will|must|shall|should) (?:only )?(?:act as|answer as|respond as|behave|obey)))")),
    _Form(_NAMED, ("du bist", "tu es", "vous êtes", "ahora eres", "agora você", "ora sei",
                   "теперь ты", "你现在是", "你現在是", "あなたは今から"), (
        r"(?:du bist (?:jetzt|nun|ab jetzt|ab sofort)|tu es (?:maintenant|désormais)"
        r"|vous êtes (?:maintenant|désormais)|ahora eres|agora você é|ora sei|теперь ты"
        r"|你现在是|你現在是|あなたは今から)[^.。\n]{0,40}?"
        r"(?:\bki\b|\bia\b|\bai\b|assistent|asistente|assistant|chatbot|modell|modelo|modèle|"
        r"ассистент|помощник|модель|\bии\b|助手|模型|机器人|機器人|アシスタント|モデル)")),
    _Form(_MARK, ("<vm:", "</vm:", "< vm:"), (
        r"</vm:[a-z_]+|(?:(?<=\n)|(?<![\s\S]))<\s?vm:[a-z_]+")),
    _Form(_MARK, ("<|", "[inst]", "[/inst]", "<<sys>>", "<</sys>>"), (
        r"<\|(?:im_start|im_end|system|user|assistant|start_header_id|eot_id)\|>"
        r"|\[inst\]\s|\[/inst\]|<</?sys>>")),
    _Form(_MARK, ("<system", "</system"), (
        r"</?system[-_ ]?(?:prompt|message|reminder|instruction|override)s?>")),
    _Form(_MARK, ("system ", "[system", "begin ", "end of "), (
        r"(?:(?<=\n)|(?<![\s\S]))\[?system\]? (?:override|instructions?)\]?\s?:"
        r"|(?:begin|end of) (?:the )?(?:system|developer) (?:prompt|message|instructions)\b")),
    _Form(_SPOKEN, ("if you are", "if you're"), (
        r"if you(?:'re| are) (?:an? )?(?:ai|llm|large language model|language model|chatbot)\b")),
    _Form(_SPOKEN, ("attention", "important", "dear ", "hey ", "hello"), (
        r"(?:attention|important|dear|hey|hello)[\s:,!]+(?:to )?(?:all |any |the )?"
        r"(?:ai|llm|language model|claude|chatgpt|copilot)s?"
        r"(?: (?:assistant|agent|model)s?)?\s?[:,!]")),
    _Form(_SPOKEN, ("do not", "don't", "never"), (
        r"(?:do not|don't|never) (?:tell|inform|alert|"
        r"(?:mention|reveal|disclose) (?:this|it|that) to) the (?:user|human)\b"
        r"(?= about this| of this| this| that you|[.,;!]|\s*$)")),
    _Form(_SPOKEN, ("reveal", "print", "output", "repeat", "leak"), (
        r"(?:reveal|print|output|repeat|leak)\W+(?:your|me your)\W+(?:\w+\W+)?"
        r"(?:system prompt|(?:initial|hidden|original|secret)\W+(?:prompt|instructions))\b")),
)  # fmt: skip


def find(value: Any) -> Posing | None:  # noqa: ANN401 - any JSON value
    """Whether a text, or any text in a JSON value, poses as instructions; what is worst counts."""
    if not isinstance(value, str):
        words = [text for _, text in scalars(value) if isinstance(text, str)]
        return _find("\n".join(words), quotes=False)
    if value.lstrip()[:1] not in ("{", "["):
        return _find(value, quotes=True)
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return _find(value, quotes=False)
    return find(read)


def _find(text: str, *, quotes: bool) -> Posing | None:
    said = text.lower() if text.isascii() else _plain(text)
    ascii_only = said.isascii()
    quoted: Posing | None = None
    for form in _FORMS:
        for place in _places(said, form, ascii_only=ascii_only):
            if not (quotes and _is_quoted(said, place)):
                return Posing(form.reason, quoted=False)
            quoted = Posing(form.reason, quoted=True)
    return quoted


def _places(said: str, form: _Form, *, ascii_only: bool) -> Iterator[int]:
    for sign in form.signs:
        if ascii_only and not sign.isascii():
            continue
        place = said.find(sign)
        while place >= 0:
            if _compiled(form.pattern).match(said, place):
                yield place
            place = said.find(sign, place + len(sign))


_compiled = cache(re.compile)


def _plain(text: str) -> str:
    """In lower case, without what cannot be seen, each letter in its usual form."""
    usual = unicodedata.is_normalized("NFKC", text)
    seen = _INVISIBLE.sub("", text if usual else unicodedata.normalize("NFKC", text)).lower()
    return _APOSTROPHE.sub("'", seen)


def _is_quoted(said: str, place: int) -> bool:
    """Whether a quotation or code has begun before the place, in its line, or a block of code."""
    line = said[max(said.rfind("\n", 0, place) + 1, place - _LATEST) : place]
    if line.count('"') % 2 or line.count("`") % 2 or line.endswith("'"):
        return True
    if any(line.rfind(opens) > line.rfind(closes) for opens, closes in _PAIRS):
        return True
    return said.count("```", 0, place) % 2 == 1
