"""Texts for tests of tokenizers: awkward ones, and running text of the test data."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .data import data_path

AWKWARD = [
    "", "   ", "Hello, world!", "Ünïcödé naïve café RÉSUMÉ", "cafe\u0301 e\u0301e\u0301s", "İstanbul DİYARBAKIR",
    "Straße GROSS ß \u1e9e", "ΟΔΥΣΣΕΥΣ ΣΑΣ.", "漢字とかなカナ 中文abc混合", "한국어 텍스트",
    "a\u200bb\u00adc \x00\x07zero\ufffdwidth", "tab\tnew\nline\r\nx\x0by\x0cz\x1cq\x85w\u2028u\u2029v\u00a0n\u3000m",
    "emoji 😀👍🏽 👨‍👩‍👧 end", "a" * 99, "a" * 100, "a" * 101, "b" * 150 + " ok",
    "[MASK] x[MASK]y [CLS]a[SEP] [mask] [UNK]", "don't stop--it's 3.14, $5^2 `x` ~y~ |z|",
    "https://example.org/a_b?c=d&e=f#g", "क्षत्रिय हिन्दी", "العَرَبِيَّة مرحبا", "שָׁלוֹם", "ภาษาไทย", "tiếng Việt",
    "ﬁnancial ﬂow Ⅷ ½ ㎏", "\u01c5 \u0149", "x\u0300\u0323y q\u0323\u0307", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𠮷", "。、！？「」…—–‘’“”",
    "\U000e0001tag", "a\u0345b Ά\u0345", "mixed\u4e2d\u0301文", "\U0001d165\U0001d16e",
    "[MASK][MASK] [MASK].", "un##known ##ing", "K\u212a \u2126",
]  # fmt: skip
#: A text of many languages and of everything that tokenizers have been seen to treat differently, a line each. What
#: cannot be seen is written as an escape.
MULTILINGUAL = [
    # English: sentences, abbreviations, contractions, quotes of all kinds, numbers, addresses.
    "The ferry left at noon. Nobody waved! Who would have? Mr. and Mrs. Hall (of St. Ives) didn't; they couldn't've.",
    "She'd said: 'I'll go', \"we're late\", “they’ve gone”, ‘it’s mine’, «non», ‹si›, „doch“, ‚ja‘, ``so'' and `thus´.",
    "It cost $1,299.95 (or £1.050,40, €7, ¥9 000, ₹12) - 3.5% off; No. 5, pp. 3-7, 1/2, 10^-3, 2×4, ±0.5°C, #42, 50 %.",
    "On 2019-11-26 at 04:05:06 a.m., 3,141,592 people of the U.S.A. e-mailed j.doe+tx@mail.example.org ... etc.",
    "See https://www.example.org:8080/a_b/c-d.html?x=1&y=%20z#top,",
    "ftp://example.org/ and www.example.com/~me; @user #tag",
    "Tom & Jerry's <b>R&B</b> &amp; co. -- \"AT&T\" -> C++/C#",
    "| x_1 == y[0] && !z {ok}; 100% \\o/ ~~ @@ ** ^^ __init__.py",
    "rock'n'roll o'clock 'tis the '90s, dogs' tails, y'all'd've, O'Neill-Smith's, well-known, twenty-one, re-",
    "WAIT... what?! No—never – not…ever; (maybe) [perhaps] {or} <not>. \"Ended.\" 'Quoted.' He said: \"Stop.\"",
    "floccinaucinihilipilification Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft "
    + "muvaffakiyetsizleştiricileştiriveremeyebileceklerimizdenmişsinizcesine " + "ab" * 130,
    # Latin letters with marks, composed and combining.
    "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. STRASSE, MASSE, Maße, GROẞ; z.B. 3,5 Mio. €.",
    "L'été, où êtes-vous ? « Ça va ! » dit-il ; aujourd’hui, l'œuvre naïve d'Anaïs coûte 12 345,67 €. N° 5, 1er, XIXᵉ.",
    "¿Dónde está el niño? ¡Aquí! El pingüino Wenceslao hizo kilómetros bajo exhaustiva lluvia. 1.º, 2.ª",
    "À noite, vovô Kowalsky vê o ímã cair no pé do pinguim",
    "queixoso; não há maçãs. Perché no? Così è, c'è un po' d'acqua.",
    "Zażółć gęślą jaźń. Příliš žluťoučký kůň úpěl ďábelské ódy.",
    "Árvíztűrő tükörfúrógép. Să ştiţi că Ștefan și țara există.",
    "Iğdır'ın İSTANBUL'da ılık ISI; Diyarbakır, İzmir. Kæmi ný öxi hér, ykist þjófum nú bæði víl og ádrepa. Rød grød.",
    "Tôi có thể ăn thủy tinh mà không hại gì. To\u0302i co\u0301",
    "the\u0302\u0309 a\u0306n thu\u0309y tinh. Đường phố Hà Nội.",
    "cafe\u0301 na\u0131\u0308ve A\u030angstro\u0308m \u212b \u2126 \u212a e\u0323\u0302 e\u0302\u0323 \u1ec7 "
    + "Z\u0351\u036b\u0343a\u0363\u0328l\u0334\u0321g\u0322\u0315o\u0321\u0313 q\u0307\u0323",
    # Greek with final sigma, Cyrillic, Armenian, Georgian.
    "Ο ΟΔΥΣΣΕΥΣ ΤΗΣ ΙΘΑΚΗΣ, ο Οδυσσεύς της Ιθάκης· ΣΑΣ. «Μῆνιν ἄειδε θεὰ Πηληϊάδεω Ἀχιλῆος» — ᾳ ᾼ Ὠ; Σ' ΣΊΣΥΦΟΣ.",
    "Съешь же ещё этих мягких французских булок, да выпей чаю. Ёлка, ё, и\u0306; «Война и мир», т.е. №1. Й ЇЖАК Ґанок.",
    "Љубазни фењерџија чађавог лица. Їхав, єдність, ґрунт. ЀѢѲ. Բարեւ աշխարհ։ Եւ։ ქართული ენა ᲥᲐᲠᲗᲣᲚᲘ.",
    # From right to left, with and without vowels; digits of their own; joiners.
    "שלום עולם! בְּרֵאשִׁית בָּרָא אֱלֹהִים; צה״ל ב־1948, ג׳ירפה. \u200fעברית\u200e abc \u202bימין\u202c.",
    "السلام عليكم؟ العَرَبِيَّةُ، مُحَمَّد ﷺ ١٢٣٬٤٥٦٫٧٨ ٪؛ كـــتاب لا إله. \u0627\u0655 \ufefb \u061cنص",
    "می\u200cخواهم کتاب‌ها را بخوانم، ۱۲۳۴. اُردو میں لکھیے، ٹھیک ہے۔ ܫܠܡܐ ދިވެހި",
    # Scripts of India and the neighbourhood.
    "हिन्दी में क्षत्रिय, ज़िन्दगी और ड़कार। क्\u200dष क्\u200cष १२३४। संस्कृतम् ॥ श्री॰ ॐ",
    "বাংলা ভাষা, ৳১২৩। ਪੰਜਾਬੀ ਸਿੱਖ। ગુજરાતી ૧૨૩. தமிழ் மொழி",
    "௧௨௩. తెలుగు లిపి. ಕನ್ನಡ ನುಡಿ. മലയാളം ൺ ൻ. සිංහල ශ්\u200dරී.",
    "ภาษาไทยง่ายนิดเดียว ๑๒๓ กำ น้ำ เเละ แล้วๆ ฯลฯ ราคา ฿๑๐๐.",
    "ພາສາລາວ ຫຼາຍ. မြန်မာဘာသာ၊ ဝမ်း။ ភាសា\u200bខ្មែរ។ བོད་སྐད།",
    # Chinese, Japanese, Korean.
    "我能吞下玻璃而不伤身体。《红楼梦》、“引号”、（括号）：你好！？……",
    "他說：「我們走吧。」北京2008年８月８日，價格￥１００．５０～２００％",
    "いろはにほへと　ちりぬるを。カタカナ、ｶﾀｶﾅ、ガギグ ﾊﾟﾋﾟ か\u3099",
    "は\u309a 々〆ヶ『東京タワー』は333m・ﾃｽﾄ！㈱㍿ ㌔ ①②③ ゐゑ",
    "한국어 텍스트입니다. 대한민국, ᄒ\u1161\u11ab글 \u1112\u1161\u11ab ㄱㄴㄷ ㅏㅑ. 韓國語 “따옴표” 1,000원",
    # Other scripts, and letters outside the basic plane.
    "አማርኛ፡ ሰላም። ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ᚠᚢᚦᚨᚱᚲ ᠮᠣᠩᠭᠣᠯ ⲙⲉⲧⲣⲉⲙⲛⲕⲏⲙⲓ ꦧꦱꦗꦮ ꯃꯤꯇꯩ ⴰⵎⴰⵣⵉⵖ",
    "𐌲𐌿𐍄𐌹𐍃𐌺 𐎀𐎁 𒀭𒈾 𓂀𓃠 𝕳𝖊𝖑𝖑𝖔 𝒲𝑜𝓇𝓁𝒹 𝟙𝟚𝟛 𝄞𝄢 𠀀𠮷野家 𪛖 𐐨𐐀 𞤀𞤢 🂡🀄 𝐴=𝜋𝑟²",
    "Ⅷ ⅷ ½ ¾ ² ³ ₂ ⁿ ª º ﬁnancial ﬂow ﬃ ㎏ ㎡ ™ ℠ © ® ℃ № ‰ ′ ″ ∑∫√∞≠≤ ← → ⇒ ■□▲★☆♪♥ ¤ ¢ § ¶ † ‡ • · ‖ ¦ ‾",
    # Emoji: joiners, skin tones, flags, keycaps, presentation, tags.
    "😀😃 ❤️ ❤ ☺️ 👍🏽👍🏿 👨‍👩‍👧‍👦 👩🏽‍🚀 🏳️‍🌈 🏴‍☠️ 🇩🇪🇫🇷🇯🇵 🇺 1️⃣ #️⃣ ©️ "
    + "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f ok👌🏻. :-) ;) <3 ¯\\_(ツ)_/¯",
    # What has no width, controls, and spaces of all kinds.
    "zero\u200bwidth\u200cnon\u200djoiner\u2060word\ufeffbom",
    "soft\u00adhyphen Donau\u00addampf\u00adschiff \u00ad- \u034f",
    "\u200b \u200d \ufeff \u00ad \u2066iso\u2069 \u202ereversed\u202c a\u180eb \u115f\u3164\uffa0 x\ufe0fy \U000e0100",
    "nul\x00bel\x07bs\x08esc\x1b[31m del\x7f c1\x80\x85\x9f end \x01 \x02\x03",
    "tab\tline\nreturn\r\nvertical\x0bform\x0cfile\x1cgroup\x1drecord\x1eunit\x1fnext\x85line\u2028para\u2029end",
    "nbsp\u00a0thin\u2009hair\u200anarrow\u202fideographic\u3000ogham\u1680en\u2002em\u2003figure\u2007math\u205fend",
    "10\u00a0000 nº\u00a05 «\u00a0oui\u00a0» 20\u00a0% 3\u00a0cm",
    "4\u00a0ºC quoi\u00a0? oui\u00a0! a,\u00a0b x\u00a0: y\u00a0;",
    "  two  spaces   three    \t mixed \n\n lines \n  indented\n\ttabbed  ",
    " lead", "trail ", "\n", "\u3000", "\u200b",
    "replacement \ufffd character, object \ufffc, \u00bf\u00a1 \u2e2e",
    "\u203d \u2047 \u2049 \u2011 \u2010 \u2012 \u2015 \u2212 \u00ac",
]  # fmt: skip
# Characters of no category yet, and private ones: text for BERT's own code, dropped by the reference's.
PRIVATE = ["\ue000priv", "x\uf8ffy", "\u0378 a\u0378b", "\U000e0fffz", "\ufa6e\ufada"]
_POOLS = [
    "abcdefghij ABC .,!?",
    "éàüßİıſ ",
    "漢字かなカナ中",
    "\u0301\u0323abc e",
    "😀\u200d\ufe0f x",
    "\x00\x01\t\n\r\u200b\u00ad a",
]

RUNNING = ("lm/wikitext-2/test.txt", "lm/wikitext-2-raw/wiki.test.raw")


def awkward_texts(count: int = 300) -> list[str]:
    """Accents, scripts, marks, emoji, control characters and white space.

    ``MULTILINGUAL``, ``AWKWARD`` and ``count`` random mixtures.

    ``PRIVATE`` is not among them.
    """
    rng = random.Random(0)
    made = ["".join(rng.choice(rng.choice(_POOLS)) for _ in range(rng.randint(1, 40))) for _ in range(count)]
    return [*MULTILINGUAL, *AWKWARD, *made]


def composed(text: str) -> str:
    """A text that stays the same if its characters are composed (NFC) once control characters are dropped.

    The reference's WordPiece in Python composes them, as neither its compiled one nor BERT's own code does.
    """
    shown = "".join(
        one for one in text if one in "\t\n\r" or (one not in "\x00\ufffd" and unicodedata.category(one)[0] != "C")
    )
    return text if unicodedata.is_normalized("NFC", shown) else unicodedata.normalize("NFC", shown)


def running_lines(*names: str) -> list[str]:
    """Lines of files of the test data (``RUNNING``, if none is named), blank ones included; skips without the data."""
    return [line for name in names or RUNNING for line in data_path(name).read_bytes().decode("utf-8").split("\n")]


def two_stretches(name: str, length: int, folder: Path) -> tuple[Path, Path]:
    """Two files in the folder, of 6000 characters to train on and of what follows to measure by.

    Args:
        name: of a file of the test data; skips without it.
        length: characters of the file that are read.
        folder: where to.
    """
    with data_path(name).open(encoding="utf-8") as file:
        text = file.read(length)
    (folder / "train.txt").write_text(text[:6000], encoding="utf-8")
    (folder / "eval.txt").write_text(text[6000:], encoding="utf-8")
    return folder / "train.txt", folder / "eval.txt"


def rows(arrays: Mapping[str, Any], name: str) -> Iterator[list[Any]]:
    """The rows of the reference's flat array ``name``, whose lengths are in ``lengths``."""
    values, start = arrays[name].tolist(), 0
    for length in arrays["lengths"].tolist():
        yield values[start : start + length]
        start += length
