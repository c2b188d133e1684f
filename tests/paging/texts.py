"""Pages and texts for the tests of levels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pagefault.base.page import Page
from pagefault.base.tokens import Tokenizer, open_tokenizer
from pagefault.paging.levels import Made, Source, compute

OMITTED = "…"

ENGLISH = (
    "We talked about the storage for hours. Anna liked MongoDB at first, since it is simple to "
    "begin with. Then Boris showed that our reports join five tables, and it took 3.2 seconds "
    "there. We decided to use PostgreSQL 16 and not MongoDB. Everybody was happy with it, more or "
    "less. The weather was nice, too. Migration starts on 2026-03-14, and the budget is $12,500. "
    "It was a long meeting, and I was tired afterwards. The next meeting is in Dr. Smith's room."
)
RUSSIAN = (
    "Мы долго говорили о хранилище. Анне сначала понравилась MongoDB, потому что с ней просто "
    "начать. Потом Борис показал, что наши отчёты соединяют пять таблиц, и это заняло 3,2 секунды. "
    "Мы решили взять PostgreSQL 16, а не MongoDB. Все остались более или менее довольны. Погода "
    "тоже была хорошая. Миграция начинается 14 марта, бюджет 12500 рублей. Встреча была долгая, "
    "и я устал. Никогда не выкатывать по пятницам! Кофе остыл."
)
CHINESE = (
    "我们讨论了很久存储问题。安娜一开始喜欢MongoDB，因为它很容易上手。后来鲍里斯指出，我们的报表要连接五张表，"
    "在那里花了3.2秒。我们决定使用PostgreSQL 16，而不是MongoDB。大家差不多都满意。天气也不错。"
    "迁移从2026年3月14日开始，预算是12500元。会议很长，我之后很累。星期五绝对不要部署！咖啡凉了。"
)
JAPANESE = (
    "私たちは長い間ストレージについて話しました。アンナは最初MongoDBが好きでした。その後、レポートは"
    "五つの表を結合し、3.2秒かかることが分かりました。PostgreSQL 16を使い、MongoDBは使わないことに"
    "決めました。天気も良かったです。移行は2026年3月14日に始まり、予算は12500円です。"
    "金曜日には絶対にデプロイしません。コーヒーは冷めました。会議はとても長かったです。"
)


@lru_cache(maxsize=1)
def estimate() -> Tokenizer:
    return open_tokenizer("estimate", Path())


def count(text: str) -> int:
    return estimate().count(text)


def page_with(text: str, **more: Any) -> Page:
    fields: dict[str, Any] = {
        "page_id": "msg_1",
        "page_type": "transcript",
        "modality": "text",
        "session": "s1",
        "version": 1,
        "content": 1,
        "tokens": count(text),
        "size": len(text.encode(errors="replace")),
        "importance": 0.5,
        "source": "user",
        "trust": 3,
        "recorded_at": 0.0,
        "role": "user",
    }
    return Page(**(fields | more))


def source_of(
    text: str, *, hint: str | None = None, around: Sequence[str] = (), **more: Any
) -> Source:
    return Source(page_with(text, **more), text, count, hint, around)


def levels_of(text: str, **more: Any) -> dict[int, Made]:
    """Every level that the page has, computed as at_level does: each under the one above."""
    source = source_of(text, **more)
    made: dict[int, Made] = {}
    above = source.page.tokens
    for level in (1, 2, 3):
        one = compute(source, level, above)
        if one is not None:
            made[level] = one
            above = one.tokens
    return made


def parts(short: str) -> list[str]:
    """What stands between the marks of omission."""
    return [part for part in (piece.strip() for piece in short.split(OMITTED)) if part]


_WORDS = st.sampled_from(
    (
        "we Anna decided not to use the river 42 3.14 2026-03-14 Boris said café src/main.py "
        "мы Анна решили не брать реку Борис 我们决定不用数据库。 安娜说 それは ありません。 東京 "
        '우리는 결정했다 नहीं है। العربية نستخدم؟ ไม่ใช่ภาษาไทย 😀 e\u0301 `code` x=1; {} [] "q" - * #'
    ).split()
)
_GLUE = st.sampled_from([" ", " ", " ", ". ", ".\n", "\n", "! ", "? ", ", ", "\n\n", "", "…", "\t"])
MIXED = st.lists(st.tuples(_WORDS, _GLUE), max_size=250).map(
    lambda pairs: "".join(word + glue for word, glue in pairs)
)
ANY_TEXT = st.one_of(MIXED, st.text(max_size=2_000))
