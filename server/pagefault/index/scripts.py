"""Which characters belong to which way of writing, as pieces of a regular expression's class."""

from __future__ import annotations

# Written without spaces between words, or, as Korean, with particles grown onto them: Thai, Lao,
# Myanmar, Khmer, kana, bopomofo, Han with its extensions, hangul.
UNSPACED = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u109f\u1780-\u17d3"
    "\u3005-\u3007\u3031-\u3035\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7a3\U00020000-\U000323af"
)

CYRILLIC = "\u0400-\u0481\u048a-\u052f"

# Signs that belong to the word they stand in though they are no letters: combining accents,
# Hebrew and Arabic points, and the vowel signs of the Indic scripts.
MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
