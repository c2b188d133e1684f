"""Words that carry no content, per language. A question drops those of its own language."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_NONE: Final[frozenset[str]] = frozenset()

# The first language wins a tie.
_LANGUAGES: Final[tuple[frozenset[str], ...]] = (
    frozenset(
        "a an the this that these those i me my mine myself we us our ours you your yours he "
        "him his she her hers it its itself they them their theirs who whom whose what which "
        "when where why how am is are was were be been being do does did doing done have has "
        "had having can could will would shall should may might must of in on at by for from "
        "to into onto out up down over under off about after before between during through "
        "against until with without within and or but nor so if then than because as while "
        "though not no any some all both each few more most other such only own same too very "
        "just also again once here there now ever yet still please tell said say says mention "
        "mentioned mentions get got know like s t d m ll re ve don didn doesn isn aren wasn "
        "weren hasn haven hadn wouldn couldn shouldn".split()
    ),
    frozenset(
        "der die das den dem des ein eine einen einem einer eines ich mich mir mein meine du "
        "dich dir dein deine er ihn ihm sein seine sie ihr ihre ihren es wir uns unser unsere "
        "euch man wer wen wem was welche welcher welches wann wo warum wieso weshalb wie womit "
        "wohin woher ist sind war waren bin bist sei wird werden wurde wurden hat haben hatte "
        "hatten habe kann können konnte soll sollte muss musste will wollte darf mag und oder "
        "aber denn doch nicht kein keine auch nur noch schon sehr so als wenn dass ob weil in "
        "im an am auf aus bei beim mit nach von vom vor zu zum zur über unter für durch gegen "
        "ohne um bis da dann hier dort jetzt diese dieser dieses diesem diesen jene mal "
        "etwas".split()
    ),
    frozenset(
        "le la les l un une des du de d au aux ce cet cette ces mon ma mes ton ta tes son sa "
        "ses notre nos votre vos leur leurs je j me m moi tu te t toi il elle on nous vous ils "
        "elles lui eux se s y en qui que qu quoi dont où quand comment pourquoi combien quel "
        "quelle quels quelles est es suis sont était étaient être été sera a ai as ont avait "
        "avaient avoir eu fait faire peut peux doit et ou mais donc or ni car ne n pas plus "
        "moins très aussi à dans par pour sur sous avec sans chez vers entre si comme c ça "
        "cela ici là alors déjà encore".split()
    ),
    frozenset(
        "el la los las un una unos unas lo al del de a en por para con sin sobre entre hasta "
        "desde hacia y e o u pero ni si no que qué quien quién quienes cual cuál cuales cuando "
        "cuándo donde dónde como cómo cuanto cuánto porque yo me mi mis mí tú tu tus te ti él "
        "ella ello nosotros nos nuestro nuestra vosotros os vuestro ellos ellas se su sus le "
        "les este esta estos estas ese esa esos esas esto eso aquel aquella es son soy eres "
        "era eran fue fueron ser sido está están estaba estar ha he han había haber hay hace "
        "tiene puede más muy ya también tan aquí allí".split()
    ),
)
_RUSSIAN: Final = frozenset(
    "и в во не что он на я с со как а то все всё она так его но да ты к у же вы за бы по ее её "
    "мне было вот от меня еще ещё нет о из ему теперь когда даже ну ли если уже или ни быть "
    "был была были него до вас нибудь опять вам ведь там потом себя ничего ей может они тут "
    "где есть надо ней для мы тебя их чем сам чтоб чтобы без будто чего раз тоже себе под "
    "будет ж тогда кто этот эта эти это того потому этого какой какая какие какое каком ним "
    "здесь этом мой моя мои моё моем твой тем чтоб нее неё при об про над между через после "
    "перед который которая которые которое которого которой кого кому куда откуда зачем почему "
    "сколько нас нам наш наша наши ваш ваша свой своя свои своё мной тобой нами вами ими".split()
)

_CHINESE: Final = frozenset(
    "的了吗呢吧啊呀嘛么是在有和与跟或就都也又还很我你您他她它们这那哪什谁怎为何几多少时候不没"
    "把被给对从到要会能可以说个上下里吗"
)
_CHINESE_PARTICLES: Final = frozenset("的了吗呢吧啊呀嘛么")
_JAPANESE_PARTICLES: Final = frozenset("はがをにのへとでもかやねよ")
_JAPANESE: Final = frozenset(
    "です ます まし した して ませ せん いる いた いて って ては では には とは のは のが のを "
    "から まで より など こと もの ため よう そう この その あの どの これ それ あれ どれ ここ "
    "そこ どこ いつ だれ なに なん どう なぜ ない なか かっ った たい たか すか のか でし しょ "
    "れた られ れる せる てい だっ たの ある あっ する しま とか だけ でも ので たら".split()
)
_HIRAGANA: Final = re.compile("[\u3041-\u3096]")
_PAIR: Final = re.compile("[\u3041-\u3096\u30a1-\u30fc\u4e00-\u9fff]{2}")


def of(words: Collection[str]) -> frozenset[str]:
    """The function words to drop from a question of these casefolded words.

    Languages that share an alphabet are told apart by whose function words are used most; one
    alone among many words is a coincidence ("die" in an English title) unless it is English.
    """
    english, *others = _LANGUAGES
    best, most = english, sum(word in english for word in words)
    for language in others:
        hits = sum(word in language for word in words)
        if hits > most and (hits > 1 or 2 * hits >= len(words)):
            best, most = language, hits
    return best | _RUSSIAN


def is_function_pair(term: str) -> bool:
    """Whether two neighbouring Chinese or Japanese characters say nothing of the content."""
    if len(term) != 2 or not _PAIR.fullmatch(term):
        return False
    first, second = term[0], term[1]
    if _HIRAGANA.match(first) or _HIRAGANA.match(second):
        return term in _JAPANESE or _joins_a_particle(first, second)
    return (
        first in _CHINESE_PARTICLES
        or second in _CHINESE_PARTICLES
        or (first in _CHINESE and second in _CHINESE)
    )


def _joins_a_particle(first: str, second: str) -> bool:
    if _HIRAGANA.match(first) and _HIRAGANA.match(second):
        return False
    return first in _JAPANESE_PARTICLES or second in _JAPANESE_PARTICLES
