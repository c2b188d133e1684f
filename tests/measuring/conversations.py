"""Long conversations to measure with: ten decisions made early, asked for late in other words.

Written by hand, in English, Russian and Chinese. A decision is a short exchange; the late question
shares few words with it, as people's questions do. What lies between is work on the same project,
from templates with parts that vary, so that its words compete with those of the decisions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """What led to it, what was decided (the page to find), the answer, the question much later."""

    raised: str
    proposed: str
    decided: str
    asked: str


@dataclass(frozen=True, slots=True)
class Talk:
    """A language's decisions, and the parts of what lies between them."""

    decisions: Sequence[Decision]
    requests: Sequence[str]
    replies: Sequence[str]
    remarks: Sequence[str]
    things: Sequence[str]
    thanks: str


ENGLISH = Talk(
    decisions=(
        Decision(
            "Two candidates are left for keeping the orders: MySQL and Postgres.",
            "Both would do. Postgres has better JSON support, MySQL is what Ana's team runs.",
            "Then it is Postgres 16, hosted in Frankfurt, because of the lawyers.",
            "Which database did we end up with, and in what city does it stand?",
        ),
        Decision(
            "When should releases go out? Fridays have bitten us twice.",
            "Tuesday or Wednesday leaves time to react before the weekend.",
            "We ship every second Tuesday at ten, never later in the week.",
            "A colleague wants to know on what day we deploy and how often.",
        ),
        Decision(
            "The brand agency sent three drafts for the logo.",
            "The heron is the most distinct of them at small sizes.",
            "Take the blue heron, and tell the agency the fox is out.",
            "What animal is on our logo again?",
        ),
        Decision(
            "Support asks how long customers may send things back.",
            "The law says fourteen days; competitors offer thirty.",
            "We allow returns for forty-five days, shipping paid by the customer.",
            "A customer wants to return a lamp: how many days does she have, and who pays?",
        ),
        Decision(
            "We need a limit on login attempts before the audit.",
            "Five attempts is common; the auditors mostly want a written number.",
            "Lock the account after six failed attempts, for twenty minutes.",
            "How often may somebody mistype the password before the account is blocked?",
        ),
        Decision(
            "Who speaks for us when the press calls?",
            "Either the founder or someone from marketing, but only one voice.",
            "Only Marguerite talks to journalists; everybody else refers them to her.",
            "A journalist is on the phone. Who is allowed to answer?",
        ),
        Decision(
            "The mobile team wants to know the oldest phones to support.",
            "Android 9 covers ninety-six percent of the visitors, iOS 15 about the same.",
            "Android 10 and iOS 15 are the floor; anything older gets the website.",
            "What is the minimum Android version for the app?",
        ),
        Decision(
            "Legal wants a retention rule for the access logs.",
            "Ninety days is usual; less makes incident work hard.",
            "Access logs are erased after sixty days, backups of them after ninety.",
            "For how many days do we keep log files of who accessed what?",
        ),
        Decision(
            "What do we do about translations? The Polish text is half machine made.",
            "An agency costs eleven cents a word; volunteers are slow but good.",
            "Volunteers translate Polish, the agency does German and French.",
            "Who is responsible for the German translation?",
        ),
        Decision(
            "The office lease ends in spring. Do we stay?",
            "Staying costs nine percent more; the harbour building is cheaper but dark.",
            "We move to the harbour building in April and keep two desks in the old place.",
            "Where will the office be from spring on, and do we keep anything here?",
        ),
    ),
    requests=(
        "Can you look at why {0} fails when {1} is empty? It began after yesterday's merge.",
        "Please write a short note on how {0} talks to {1}, for the new people.",
        "The build takes {2} minutes now. Is {0} to blame, or is it {1}?",
        "Rename the helper in {0}; its name says nothing. And does {1} still need it?",
        "I see {2} warnings from {0} since the update of {1}. Are they harmless?",
        "Add a test for {0} where {1} answers twice in a row.",
        "What would it take to make {0} work without {1}? Roughly, in days.",
        "Users of version {2} say that {0} shows the wrong time after {1} was restarted.",
    ),
    replies=(
        "I looked at {0}: the check runs before {1} has been read, so an empty value slips "
        "through. {3} I moved it and {2} tests pass.",
        "Done. {0} sends a message to {1} and waits up to {2} seconds. {3}",
        "It is mostly {1}: {2} of the calls go through {0} twice. {3}",
        "The warnings come from {0} and mean that {1} uses an older call. {3} Nothing breaks "
        "before release {2}.",
        "I would take {2} hours: first {0}, then the part of {1} that depends on it. {3}",
    ),
    remarks=(
        "The old comment was misleading.",
        "Nobody had touched that since last summer.",
        "I left the customer facing text alone.",
        "The account page is not affected.",
        "The database was not involved at all.",
        "On the phone it looks the same as before.",
        "I kept the version number as it is.",
        "The office network was slow, so I measured twice.",
        "We should talk about that again in a few days.",
        "The log file has the details.",
    ),
    things=(
        "the invoice export", "the search box", "the mail queue", "the nightly job",
        "the picture resizer", "the address form", "the payment callback", "the cache",
        "the admin page", "the importer", "the price rules", "the session store", "the sitemap",
        "the newsletter", "the stock counter", "the coupon field", "the audit trail",
        "the translation loader", "the return label", "the map widget", "the login page",
        "the currency table", "the barcode reader", "the wish list",
    ),
    thanks="Thanks, next point.",
)  # fmt: skip

RUSSIAN = Talk(
    decisions=(
        Decision(
            "Для хранения заказов остались два варианта: MySQL и Postgres.",
            "Подойдут оба. У Postgres лучше с JSON, MySQL уже знает команда Анны.",
            "Тогда берём Postgres 16, размещаем во Франкфурте, так просят юристы.",
            "Какую базу для заказов мы в итоге выбрали и в каком городе она размещена?",
        ),
        Decision(
            "Когда выпускать новые версии? Пятницы нас дважды подвели.",
            "Вторник или среда оставляют время до выходных.",
            "Выкатываем каждый второй вторник в десять утра, позже на неделе никогда.",
            "Коллега спрашивает, по каким дням у нас выпуск и как часто выкатываем.",
        ),
        Decision(
            "Агентство прислало три эскиза логотипа.",
            "Цапля лучше всех видна в мелком размере.",
            "Берём синюю цаплю, а лису отклоняем, сообщите агентству.",
            "Напомни, какое животное у нас на логотипе?",
        ),
        Decision(
            "Поддержка спрашивает, сколько времени покупатель может вернуть товар.",
            "По закону четырнадцать дней, у соседей тридцать.",
            "Возврат принимаем сорок пять дней, пересылку оплачивает покупатель.",
            "Женщина хочет оформить возврат лампы: какой у неё срок и кто платит за доставку?",
        ),
        Decision(
            "До аудита нужно ограничить попытки входа.",
            "Обычно пять; аудиторам важно, чтобы число было записано.",
            "Блокируем учётную запись после шести неудачных попыток на двадцать минут.",
            "Сколько раз можно ошибиться с паролем, пока запись не заблокируют?",
        ),
        Decision(
            "Кто отвечает, когда звонит пресса?",
            "Либо основатель, либо маркетинг, но голос должен быть один.",
            "С журналистами говорит только Маргарита, остальные отправляют к ней.",
            "Звонит журналист из газеты. Кому можно с ним разговаривать?",
        ),
        Decision(
            "Мобильная команда хочет знать, какие старые телефоны поддерживать.",
            "Android 9 покрывает девяносто шесть процентов посетителей, iOS 15 столько же.",
            "Нижняя граница Android 10 и iOS 15, кто старше, тем сайт.",
            "Какая минимальная версия Android нужна для приложения?",
        ),
        Decision(
            "Юристам нужен срок хранения журналов доступа.",
            "Обычно девяносто дней; меньше мешает разбирать происшествия.",
            "Журналы доступа стираем через шестьдесят дней, их копии через девяносто.",
            "Сколько дней лежат журналы о том, кто куда заходил?",
        ),
        Decision(
            "Что делаем с переводами? Польский наполовину машинный.",
            "Агентство берёт десять рублей за слово, добровольцы медленные, но хорошие.",
            "Польский переводят добровольцы, немецкий и французский отдаём агентству.",
            "Кто занимается немецким переводом?",
        ),
        Decision(
            "Весной кончается аренда офиса. Остаёмся?",
            "Остаться на девять процентов дороже; здание в порту дешевле, но тёмное.",
            "В апреле переезжаем в здание в порту, а здесь оставляем два стола.",
            "Где будет офис начиная с апреля и остаётся ли что-нибудь здесь?",
        ),
    ),
    requests=(
        "Посмотри, почему падает {0}, когда {1} не отвечает. Началось после вчерашнего слияния.",
        "Напиши короткую заметку о том, как связаны {0} и {1}, для новичков.",
        "Сборка идёт уже {2} минут. Виновата часть «{0}» или «{1}»?",
        "Переименуй помощника там, где {0}: имя ни о чём не говорит. И нужен ли он там, где {1}?",
        "Вижу {2} предупреждений, их пишет {0} после обновления «{1}». Это опасно?",
        "Добавь проверку на случай, когда {0} и {1} отвечают дважды подряд.",
        "Во что обойдётся убрать связь «{0}» и «{1}»? Примерно, в днях.",
        "Пользователи версии {2} пишут, что {0} показывает не то время, когда {1} перезапущен.",
    ),
    replies=(
        "Посмотрел: {0} проверяет значение раньше, чем его прочитает {1}. {3} Переставил, "
        "{2} проверок проходят.",
        "Готово. {0} шлёт сообщение, {1} ждёт до {2} секунд. {3}",
        "Дело в основном в части «{1}»: {2} вызовов проходят через «{0}» дважды. {3}",
        "Предупреждения пишет {0}: {1} зовёт старую функцию. {3} До выпуска {2} ничего не "
        "сломается.",
        "Я бы заложил {2} часов: сначала {0}, потом то, что нужно, чтобы работал {1}. {3}",
    ),
    remarks=(
        "Старый комментарий сбивал с толку.",
        "С прошлого лета этого никто не трогал.",
        "Текст для покупателя я не менял.",
        "Страницы учётной записи это не касается.",
        "База тут ни при чём.",
        "На телефоне всё выглядит по-прежнему.",
        "Номер версии оставил прежним.",
        "Сеть в офисе была медленной, мерил дважды.",
        "К этому надо вернуться через несколько дней.",
        "Подробности в журнале.",
    ),
    things=(
        "выгрузка счетов", "строка поиска", "почтовая очередь", "ночное задание",
        "уменьшение картинок", "форма адреса", "ответ платёжной системы", "кэш",
        "страница администратора", "загрузка товаров", "правила цен", "хранилище сеансов",
        "карта сайта", "рассылка", "счётчик склада", "поле купона", "след проверок",
        "загрузчик переводов", "наклейка возврата", "виджет карты", "страница входа",
        "таблица валют", "считыватель штрихкодов", "список желаний",
    ),
    thanks="Спасибо, дальше.",
)  # fmt: skip

CHINESE = Talk(
    decisions=(
        Decision(
            "存放订单还剩两个候选：MySQL 和 Postgres。",
            "两个都可以。Postgres 的 JSON 支持更好，安娜的团队在用 MySQL。",
            "那就用 Postgres 16 数据库，放在法兰克福，这是律师的要求。",
            "我们最后选了哪种数据库，放在哪个城市？",
        ),
        Decision(
            "什么时候发布新版本？星期五已经出过两次事。",
            "星期二或星期三比较好，周末前还有时间处理。",
            "每隔一周的星期二上午十点发布，绝不放到一周的后半段。",
            "同事想知道我们星期几上线、多久发布一次。",
        ),
        Decision(
            "设计公司发来了三份标志草图。",
            "苍鹭在小尺寸下最清楚。",
            "标志就用蓝色的苍鹭，告诉设计公司狐狸不要了。",
            "我们的标志上画的是什么动物？",
        ),
        Decision(
            "客服问顾客多久之内可以退货。",
            "法律规定十四天，同行一般给三十天。",
            "退货期限定为四十五天，运费由顾客承担。",
            "有位女士想把灯退货，她还有多少天，邮费谁出？",
        ),
        Decision(
            "审计之前必须限制登录次数。",
            "一般是五次，审计员只想看到写明的数字。",
            "密码错六次就锁定账户二十分钟。",
            "输错几次密码以后账户会被封？",
        ),
        Decision(
            "媒体打电话来由谁回答？",
            "创始人或者市场部，但只能有一个声音。",
            "只有玛格丽特可以跟记者谈，其他人都转给她。",
            "有个记者打来电话，谁可以接受采访？",
        ),
        Decision(
            "移动团队想知道最老要支持哪些手机。",
            "安卓 9 覆盖百分之九十六的访客，iOS 15 差不多。",
            "最低支持安卓 10 和 iOS 15，更旧的手机去用网站。",
            "这个应用要求的安卓最低版本是多少？",
        ),
        Decision(
            "法务要我们给访问日志定一个保存期限。",
            "通常是九十天，再短就不好查事故。",
            "访问日志六十天后删除，备份九十天后删除。",
            "谁看过什么的那些日志我们保留多少天？",
        ),
        Decision(
            "翻译怎么办？波兰语有一半是机器译的。",
            "翻译公司每个词一毛钱，志愿者慢但是质量好。",
            "波兰语交给志愿者，德语和法语交给翻译公司。",
            "德语的翻译由谁负责？",
        ),
        Decision(
            "办公室的租约春天到期，我们留下吗？",
            "留下要贵百分之九，港口那栋楼便宜但是比较暗。",
            "四月搬到港口那栋楼，这里只留两张桌子。",
            "从四月起我们在哪里上班，这边还留东西吗？",
        ),
    ),
    requests=(
        "帮我看看{1}为空的时候{0}为什么会失败，是昨天合并以后开始的。",
        "请写一段说明，讲讲{0}和{1}是怎么配合的，给新人看。",
        "构建现在要{2}分钟，是{0}的问题还是{1}的问题？",
        "把{0}里的那个辅助函数改个名字，现在的名字看不懂。{1}还需要它吗？",
        "{1}更新以后{0}报了{2}条警告，有没有关系？",
        "给{0}加一个测试，情况是{1}连续回答两次。",
        "如果{0}不依赖{1}，大概要做几天？",
        "{2}版的用户说，{1}重启以后{0}显示的时间不对。",
    ),
    replies=(
        "看过了，{0}在{1}读完之前就做了检查，空值就漏过去了。{3}我调整了顺序，{2}个测试都通过。",
        "写好了。{0}给{1}发消息，最多等{2}秒。{3}",
        "主要是{1}：有{2}次调用经过{0}两遍。{3}",
        "警告来自{0}，意思是{1}还在用旧的调用方式。{3}到第{2}版之前不会出问题。",
        "我估计要{2}个小时，先做{0}，再做{1}里依赖它的部分。{3}",
    ),
    remarks=(
        "原来的注释容易误导人。",
        "从去年夏天起就没人动过。",
        "给顾客看的文字我没有改。",
        "账户页面不受影响。",
        "跟数据库没有关系。",
        "在手机上看起来和以前一样。",
        "版本号我没有动。",
        "办公室的网络很慢，所以量了两次。",
        "过几天我们再谈这个。",
        "细节都在日志里。",
    ),
    things=(
        "发票导出", "搜索框", "邮件队列", "夜间任务", "图片缩放", "地址表单", "支付回调", "缓存",
        "管理页面", "导入程序", "价格规则", "会话存储", "网站地图", "新闻邮件", "库存计数",
        "优惠券栏", "审计记录", "翻译加载器", "退货标签", "地图组件", "登录页面", "汇率表",
        "条码读取器", "收藏夹",
    ),
    thanks="谢谢，下一个。",
)  # fmt: skip

TALKS = {"English": ENGLISH, "Russian": RUSSIAN, "Chinese": CHINESE}


@dataclass(frozen=True, slots=True)
class Turn:
    """What the user says and what is answered. ``decision``: its number, where one is made
    (``said``) or asked for (``asked``)."""

    user: str
    answer: str
    said: int | None = None
    asked: int | None = None


def turns(talk: Talk, count: int, seed: int = 1) -> Iterator[Turn]:
    """So many turns: the decisions early, the questions at the end in another order.

    Each decision takes two turns of the first third; the questions are the last turns.
    """
    chance = random.Random(seed)
    made = iter(range(len(talk.decisions)))
    asked = list(range(len(talk.decisions)))
    chance.shuffle(asked)
    every = max(3, count // 3 // len(talk.decisions))
    number = 0
    while number < count - len(asked):
        decision = next(made, None) if number % every == 1 else None
        if decision is None:
            yield _between(talk, chance)
            number += 1
            continue
        made_here = talk.decisions[decision]
        yield Turn(made_here.raised, made_here.proposed)
        yield Turn(made_here.decided, talk.thanks, said=decision)
        number += 2
    for decision in asked:
        yield Turn(talk.decisions[decision].asked, talk.thanks, asked=decision)


def _between(talk: Talk, chance: random.Random) -> Turn:
    def filled(template: str) -> str:
        one, other = chance.sample(talk.things, 2)
        remarks = " ".join(chance.sample(talk.remarks, 2))
        return template.format(one, other, chance.randint(2, 60), remarks)

    request = filled(chance.choice(talk.requests))
    answer = " ".join(filled(template) for template in chance.sample(talk.replies, 3))
    return Turn(request, answer)
