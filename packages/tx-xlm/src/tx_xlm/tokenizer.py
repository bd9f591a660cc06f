"""XLM's tokenizer: BPE over words that Moses, or a segmenter of the language, finds."""

from __future__ import annotations

from copy import copy

from tx_core.config_files import is_pickled
from tx_core.messages import quoted
from tx_tokenizers.bpe import BPETokenizer, read_merges
from tx_tokenizers.pretrained import published_files
from tx_tokenizers.tokenizer_files import read_text

from .config import XLMConfig
from .words import (
    SPACES,
    lowercase_and_remove_accent,
    plain_parts,
    remove_non_printing_char,
    replace_unicode_punct,
    romanian_preprocessing,
    segmenter,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import Any, ClassVar, Self

    from tx_core.files import Source
    from tx_tokenizers.base import Span
    from tx_tokenizers.bpe import Pair
    from tx_tokenizers.pretrained import _Files
    from tx_tokenizers.special_tokens import Layout

__all__ = [
    "XLMTokenizer",
    "lowercase_and_remove_accent",
    "remove_non_printing_char",
    "replace_unicode_punct",
    "romanian_preprocessing",
]

_LANGUAGES_17 = "ar de en es fr hi it ja ko nl pl pt ru sv tr vi zh"
_LANGUAGES_100 = (
    "af als am an ang ar arz ast az bar be bg bn br bs ca ceb ckb cs cy da de el en eo es et eu fa fi fr fy ga gan gl "
    "gu he hi hr hu hy ia id is it ja jv ka kk kn ko ku la lb lt lv mk ml mn mr ms my nds ne nl nn no oc pl pt ro ru "
    "scn sco sh si simple sk sl sq sr sv sw ta te th tl tr tt uk ur uz vi war wuu yi zh zh_classical zh_min_nan zh_yue"
)
_LANGUAGES_XNLI = "ar bg de el en es fr hi ru sw th tr ur vi zh"
# Published name -> its languages in the order of their ids, if it has ids of languages.
_LANGUAGES = {
    "xlm-mlm-en-2048": "",
    "xlm-mlm-ende-1024": "de en",
    "xlm-mlm-enfr-1024": "en fr",
    "xlm-mlm-enro-1024": "en ro",
    "xlm-mlm-tlm-xnli15-1024": _LANGUAGES_XNLI,
    "xlm-mlm-xnli15-1024": _LANGUAGES_XNLI,
    "xlm-clm-enfr-1024": "en fr",
    "xlm-clm-ende-1024": "de en",
    "xlm-mlm-17-1280": _LANGUAGES_17,
    "xlm-mlm-100-1280": _LANGUAGES_100,
}
_CASED = ("xlm-mlm-17-1280", "xlm-mlm-100-1280")
# What the files of these models are called where the authors offer them, after "codes_" and "vocab_".
_ORIGINAL_FILES = ("en", "enfr", "ende", "enro", "xnli_15", "xnli_17", "xnli_100")
_CASED_FILES = ("codes_xnli_17", "codes_xnli_100")

SPECIAL_WORDS = tuple(f"<special{number}>" for number in range(10))
_FIRST_WORDS = ("<s>", "</s>", "<pad>", "<unk>", *SPECIAL_WORDS)


def _published_options(name: str) -> dict[str, Any]:
    options: dict[str, Any] = {"do_lowercase_and_remove_accent": name not in _CASED}
    languages = dict(enumerate(_LANGUAGES[name].split()))
    if languages:
        options["id2lang"] = languages
        options["lang2id"] = {lang: index for index, lang in languages.items()}
    return options


def symbol(word: str) -> str:
    """A word of the authors' dictionaries as a symbol of the merges.

    fastBPE marks the pieces inside a word, ``th@@ e``. Here ``</w>`` marks the last one, as in the merges.
    """
    return word.removesuffix("@@") if word.endswith("@@") else f"{word}</w>"


def read_dictionary(path: Path) -> dict[str, int]:
    """The ids of the authors' list of words: special words come first, then each line's word.

    As in the authors' ``Dictionary``, a line counts if it is a word and a count, and if no line before it has the word.
    """
    words = dict.fromkeys(_FIRST_WORDS)
    for line in read_text(path, "list of words and counts").split("\n"):
        parts = line.split()
        if len(parts) == 2 and parts[1].isdecimal() and int(parts[1]):
            words[symbol(parts[0])] = None
    return {word: index for index, word in enumerate(words)}


def _of_checkpoint(path: Path) -> dict[str, Any]:
    """The constructor's arguments that the authors' checkpoint holds: the vocabulary, the languages, ``max_len``.

    Raises:
        CheckpointError: it has no dictionary, or none of XLM's.
    """
    from tx_core.checkpoints import CheckpointError, open_checkpoint

    from .original import dictionary, fields

    with open_checkpoint(path) as checkpoint:
        words = dictionary(checkpoint)
        if words is None or tuple(words)[: len(_FIRST_WORDS)] != _FIRST_WORDS:
            raise CheckpointError(path, "has no dico_id2word that begins with XLM's special words: give a vocab_file")
        config = fields(checkpoint)
    if len(words) != config["vocab_size"]:
        raise CheckpointError(
            path, f"has {config['vocab_size']} vectors of words, but {len(words)} words in dico_id2word"
        )
    vocab = {word if index < len(_FIRST_WORDS) else symbol(word): index for word, index in words.items()}
    if len(vocab) < len(words):
        raise CheckpointError(path, "two words of its dico_id2word are the same symbol")
    languages: dict[str, Any] = {name: config[name] for name in ("id2lang", "lang2id") if name in config}
    return {"vocab": vocab, "max_len": config["max_position_embeddings"], **languages}


class XLMTokenizer(BPETokenizer):
    """``<s> A </s>`` and ``<s> A </s> B </s>`` in BPE; the last piece of a word ends in ``</w>``.

    Words are those of Moses (package ``sacremoses``) or, for Chinese, Japanese and Thai, of ``rjieba`` (or ``jieba``),
    ``kytea`` and ``pythainlp``, which are looked for when a text of the language comes. A text's language is a keyword
    of every call: ``tokenizer.encode("Hallo Welt", lang="de")``. With ``bypass_tokenizer=True`` white space divides
    words and nothing else is changed: for texts that were preprocessed as XLM's.

    Args:
        vocab_file: ``vocab.json``, or the authors' list of words and counts, or their checkpoint, which has them too.
        merges_file: a pair of symbols a line; a count may follow it.
        vocab, merges: see ``MergesTokenizer``.
        lang2id, id2lang: the ids that the model has for languages. If they are given, a text may be in no other.
        do_lowercase_and_remove_accent: as the published models but those of 17 and 100 languages were trained.
        do_lower_case: whether texts are put into lower case before they are divided, as well as after. Moses then sees
            no sentence begin, and leaves a full stop inside a text on the word before it. The reference does so
            wherever ``do_lowercase_and_remove_accent`` is set, which None follows; the authors did not.
        lang: the language of texts for which a call names none.
        options: see ``PreTrainedTokenizer``.

    A text raises ValueError if the model does not have its language, and ImportError, naming the package, where a
    package is missing.
    """

    original_files_names: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "vocab_file": (*(f"vocab_{name}" for name in _ORIGINAL_FILES), *XLMConfig.checkpoint_names),
        "merges_file": tuple(f"codes_{name}" for name in _ORIGINAL_FILES),
    }
    pretrained_vocab_files_map: ClassVar[Mapping[str, Mapping[str, str]]] = published_files(
        BPETokenizer.vocab_files_names, _LANGUAGES
    )
    pretrained_init_configuration: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: _published_options(name) for name in _LANGUAGES
    }
    max_model_input_sizes: ClassVar[Mapping[str, int]] = dict.fromkeys(_LANGUAGES, 512)
    single_layout: Layout = (("bos_token", 0), ("A", 0), ("sep_token", 0))
    pair_layout: Layout = (*single_layout, ("B", 1), ("sep_token", 1))
    tokenize_options: ClassVar[frozenset[str]] = frozenset({"lang", "bypass_tokenizer"})
    _remembered: ClassVar[tuple[str, ...]] = (*BPETokenizer._remembered, "_variants")

    def __init__(
        self,
        vocab_file: str | os.PathLike[str] | None = None,
        merges_file: str | os.PathLike[str] | None = None,
        unk_token: str = "<unk>",
        bos_token: str = "<s>",
        sep_token: str = "</s>",
        pad_token: str = "<pad>",
        cls_token: str = "</s>",
        mask_token: str = "<special1>",
        additional_special_tokens: Sequence[str] = SPECIAL_WORDS,
        lang2id: Mapping[str, int] | None = None,
        id2lang: Mapping[Any, str] | None = None,
        do_lowercase_and_remove_accent: bool = True,
        *,
        do_lower_case: bool | None = None,
        lang: str = "en",
        vocab: Mapping[str, int] | None = None,
        merges: Sequence[Pair] | None = None,
        **options: Any,
    ) -> None:
        if vocab_file is not None and not str(vocab_file).endswith(".json"):
            from pathlib import Path

            path = Path(vocab_file)
            vocab = _of_checkpoint(path)["vocab"] if is_pickled(path) else read_dictionary(path)
            vocab_file = None
        if merges_file is not None:
            merges, merges_file = read_merges(merges_file, counted=True), None
        self.lang2id = None if lang2id is None else dict(lang2id)
        self.id2lang = None if id2lang is None else {int(index): name for index, name in id2lang.items()}
        self.do_lowercase_and_remove_accent = do_lowercase_and_remove_accent
        self.do_lower_case = do_lowercase_and_remove_accent if do_lower_case is None else do_lower_case
        self.lang = lang
        self._bypass = False
        settings = {
            "lang2id": self.lang2id,
            "id2lang": self.id2lang,
            "do_lowercase_and_remove_accent": do_lowercase_and_remove_accent,
            "lang": lang,
        }
        if do_lower_case is not None:
            settings["do_lower_case"] = do_lower_case
        super().__init__(
            vocab_file,
            merges_file,
            vocab=vocab,
            merges=merges,
            settings=settings,
            unk_token=unk_token,
            bos_token=bos_token,
            sep_token=sep_token,
            pad_token=pad_token,
            cls_token=cls_token,
            mask_token=mask_token,
            additional_special_tokens=additional_special_tokens,
            **options,
        )

    def _forget(self) -> None:
        super()._forget()
        self._variants: dict[tuple[str, bool], Self] = {}

    @property
    def dataset_input_names(self) -> list[str]:
        """``model_input_names`` without types of tokens: a model would add the embedding of a word for each.

        The scripts of 2019 gave it none either.
        """
        return [name for name in self.model_input_names if name != "token_type_ids"]

    # Files ----------------------------------------------------------------------------------------------------------

    @classmethod
    def _one_file(cls, name: str, source: Source) -> _Files:
        """As in ``PretrainedFiles``, and the authors' checkpoint: the codes of its BPE lie beside it."""
        import os
        from pathlib import Path

        if not os.path.isfile(name) or not is_pickled(name):
            return super()._one_file(name, source)
        files = super()._find_files(os.path.dirname(name) or ".", source)
        files.vocabulary["vocab_file"] = path = Path(name)
        # Several models may lie in one folder: mlm_ende_1024.pth has codes_ende, mlm_17_1280.pth codes_xnli_17.
        part = path.stem.split("_")[-2:][0].removeprefix("xnli")
        beside = [path.with_name(codes) for codes in cls.original_files_names["merges_file"]]
        found = [codes for codes in beside if codes.is_file()]
        own = [codes for codes in found if codes.name in (f"codes_{part}", f"codes_xnli_{part}")]
        if own:
            files.vocabulary["merges_file"] = own[0]
        elif len(found) > 1 and files.vocabulary["merges_file"] in found:
            raise ValueError(
                f"{name}: of {', '.join(codes.name for codes in found)}, one has to be this model's: keep it"
            )
        return files

    @classmethod
    def _vocabulary_arguments(cls, name: str, files: _Files) -> dict[str, Any]:
        words, merges = (files.vocabulary.get(argument) for argument in ("vocab_file", "merges_file"))
        if words is not None and merges is None and words.suffix != ".json" and files.json_path is None:
            raise FileNotFoundError(
                f"{name}: {cls.__name__} needs the codes of its BPE, which the authors offer beside {words.name}: add "
                f"codes_ende, or what they are called ({', '.join(cls.original_files_names['merges_file'])})"
            )
        arguments = super()._vocabulary_arguments(name, files)
        if merges is not None and merges.name in _CASED_FILES:
            arguments["do_lowercase_and_remove_accent"] = False
        if words is not None and "vocab_file" in arguments and is_pickled(words):
            del arguments["vocab_file"]
            arguments.update(_of_checkpoint(words))
        return arguments

    # Languages ------------------------------------------------------------------------------------------------------

    def _for_call(self, options: Mapping[str, Any]) -> Self:
        """This tokenizer with another language, or for texts that are divided already."""
        lang = options.get("lang") or self.lang
        if not isinstance(lang, str):
            raise ValueError(f"lang={quoted(lang)} must be the code of a language, as 'en' is")
        bypass = bool(options.get("bypass_tokenizer"))
        if lang == self.lang and bypass == self._bypass:
            return self
        variant = self._variants.get((lang, bypass))
        if variant is None:
            variant = copy(self)
            variant.lang, variant._bypass = lang, bypass
            if not bypass:  # what becomes of a word does not depend on the language
                variant._token_memo, variant._id_memo, variant._span_memo = (
                    self._token_memo,
                    self._id_memo,
                    self._span_memo,
                )
            self._variants[lang, bypass] = variant
        return variant

    def _checked_lang(self) -> str:
        if self.lang2id is not None and self.lang not in self.lang2id:
            raise ValueError(
                f"lang={quoted(self.lang)} is not a language of this model: lang= takes {', '.join(self.lang2id)}"
            )
        return self.lang

    def _folds_case(self) -> bool:
        return self.do_lower_case

    # Tokenization ---------------------------------------------------------------------------------------------------

    def _words(self, text: str) -> list[str]:
        if self._bypass:
            return SPACES.words(text, lowers=False)
        return segmenter(self._checked_lang()).words(text, self.do_lower_case)

    def _parts(self, word: str) -> list[str]:
        return [part for part, _ in self._parts_with_origins(word)]

    def _parts_with_origins(self, word: str) -> list[tuple[str, Sequence[int]]]:
        if self._bypass or not self.do_lowercase_and_remove_accent:
            return super()._parts_with_origins(word)
        return plain_parts(word)

    def _encode_with_offsets(self, text: str) -> tuple[list[int], list[Span]]:
        ids, spans, _ = self._encode_with_words(text)
        return ids, spans

    def _encode_with_words(self, text: str) -> tuple[list[int], list[Span], list[int]]:
        ids: list[int] = []
        spans: list[Span] = []
        numbers: list[int] = []
        divided = SPACES if self._bypass else segmenter(self._checked_lang())
        words = divided.placed_words(text, self.do_lower_case and not self._bypass)
        for number, (word, places) in enumerate(words):
            more, found = self._span_memo[word]
            ids += more
            numbers += [number] * len(more)
            spans += [
                (min(first for first, _ in places[start:end]), max(last for _, last in places[start:end]))
                for start, end in found
            ]
        return ids, spans, numbers

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        """Words, with the pieces inside them joined on."""
        return "".join(tokens).replace("</w>", " ").strip()
