"""English words whose forms no rule of endings brings together: went for go, bought for buy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

# One line of forms a word. Regular endings are the stemmer's business.
_GROUPS: Final = """
arise arose arisen | awake awoke awoken | bear bore borne | beat beaten | become became
begin began begun | bend bent | bind bound | bite bit bitten | bleed bled | blow blew blown
break broke broken | breed bred | bring brought | build built | burn burnt | buy bought
catch caught | choose chose chosen | come came | creep crept | deal dealt | dig dug
draw drew drawn | dream dreamt | drink drank drunk | drive drove driven | eat ate eaten
fall fell fallen | feed fed | feel felt | fight fought | find found | flee fled | fly flew flown
forbid forbade forbidden | forget forgot forgotten | forgive forgave forgiven | freeze froze frozen
get got gotten | give gave given | go goes went gone | grow grew grown | hang hung | hear heard
hide hid hidden | hold held | keep kept | kneel knelt | know knew known | lay laid | lead led
lean leant | learn learnt | leave left | lend lent | lie lying lain | light lit | lose lost
make made | mean meant | meet met | mistake mistook mistaken | pay paid | prove proven
ride rode ridden | ring rang rung | rise rose risen | run ran | say said | see saw seen
seek sought | sell sold | send sent | shake shook shaken | shine shone | shoot shot
show shown | shrink shrank shrunk | sing sang sung | sink sank sunk | sit sat | sleep slept
slide slid | speak spoke spoken | spell spelt | spend spent | spill spilt | spin spun
spring sprang sprung | stand stood | steal stole stolen | stick stuck | sting stung
strike struck | swear swore sworn | sweep swept | swell swollen | swim swam swum | swing swung
take took taken | teach taught | tear tore torn | tell told | think thought | throw threw thrown
understand understood | wake woke woken | wear wore worn | weave wove woven | weep wept
win won | wind wound | withdraw withdrew withdrawn | write wrote written
man men | woman women | child children | person people | foot feet | tooth teeth | mouse mice
goose geese | wife wives | life lives | knife knives | half halves | shelf shelves | wolf wolves
loaf loaves | thief thieves | leaf leaves | die died dying dead | good better best
bad worse worst
"""


def of(word: str) -> tuple[str, ...]:
    """All forms of an irregular word, this one among them; else the word alone."""
    groups = _by_form()
    for form in _without_ending(word):
        if form in groups:
            return groups[form]
    return (word,)


@cache
def _by_form() -> Mapping[str, tuple[str, ...]]:
    groups = [tuple(group.split()) for line in _GROUPS.split("\n") for group in line.split("|")]
    return {form: group for group in groups for form in group}


def _without_ending(word: str) -> Iterator[str]:
    """The word, and what it may be a regular form of: goes, going, making, running, children's."""
    yield word
    if word.endswith("s"):
        yield word[:-1]
    if word.endswith("ing"):
        yield word[:-3]
        yield word[:-3] + "e"
        yield word[:-4]
