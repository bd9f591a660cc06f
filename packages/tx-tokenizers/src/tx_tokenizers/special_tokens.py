"""Special and added tokens: what they are, which ones a tokenizer has, and where they stand around sequences."""

from __future__ import annotations

from tx_core.messages import quoted

from .splitter import AddedTokenSplitter
from .surrogates import join_pairs
from .values import as_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, ClassVar, Self, overload

    Layout = tuple[tuple[str, int], ...]

#: The special tokens that have a name of their own, in the order in which they are listed.
SPECIAL_TOKEN_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
SPECIAL_TOKENS_ATTRIBUTES = (*SPECIAL_TOKEN_NAMES, "additional_special_tokens")

_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


class AddedToken:
    """A token that is never split, with the flags that published tokenizer files give it.

    Args:
        content: the token as it stands in text.
        single_word: find it only where no letter, digit or underscore touches it.
        lstrip: white space before it belongs to it.
        rstrip: white space after it belongs to it.
        normalized: a tokenizer that lower-cases finds it in any case. By default so unless the token is ``special``.
        special: ``decode(..., skip_special_tokens=True)`` leaves it out.

    Raises ValueError if ``content`` is empty.
    """

    __slots__ = ("content", "lstrip", "normalized", "rstrip", "single_word", "special")

    def __init__(
        self,
        content: str,
        single_word: bool = False,
        lstrip: bool = False,
        rstrip: bool = False,
        normalized: bool | None = None,
        special: bool = False,
    ) -> None:
        if not content:
            raise ValueError("an added token must have at least one character")
        self.content = join_pairs(content)  # as in the texts that it is looked for in
        self.single_word = bool(single_word)
        self.lstrip = bool(lstrip)
        self.rstrip = bool(rstrip)
        self.special = bool(special)
        self.normalized = not special if normalized is None else bool(normalized)

    @classmethod
    def from_json(cls, value: object, special: bool = False) -> AddedToken:
        """From a token's entry in a tokenizer file: a string, or an object with ``content`` and flags."""
        if isinstance(value, AddedToken):
            return value
        if isinstance(value, str):
            return cls(value, special=special)
        if not isinstance(value, dict) or not isinstance(value.get("content"), str):
            raise ValueError(f"an added token must be a string or an object with 'content', not {quoted(value)}")
        flags = {name: value[name] for name in _FLAGS[:-1] if name in value}
        return cls(value["content"], special=value.get("special", special), **flags)

    def to_json(self) -> dict[str, Any]:
        """Content and flags, as ``added_tokens_decoder`` lists them."""
        return {"content": self.content, **{name: getattr(self, name) for name in _FLAGS}}

    def __str__(self) -> str:
        return self.content

    def __repr__(self) -> str:
        flags = [name for name in _FLAGS if getattr(self, name)]
        return f"AddedToken({', '.join([repr(self.content), *flags])})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AddedToken) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.content)


class _SpecialToken:
    """A special token as an attribute: its text, or None while unset."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    if TYPE_CHECKING:

        @overload
        def __get__(self, tokenizer: None, owner: type) -> Self: ...
        @overload
        def __get__(self, tokenizer: SpecialTokens, owner: type) -> str | None: ...

    def __get__(self, tokenizer: SpecialTokens | None, owner: type) -> Self | str | None:
        return self if tokenizer is None else tokenizer._special[self.name]

    def __set__(self, tokenizer: SpecialTokens, value: str | AddedToken | None) -> None:
        tokenizer._set_special(self.name, value)


class _SpecialTokenId:
    """The id of a special token, or None while the token is unset or unknown."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name.removesuffix("_id")

    if TYPE_CHECKING:

        @overload
        def __get__(self, tokenizer: None, owner: type) -> Self: ...
        @overload
        def __get__(self, tokenizer: SpecialTokens, owner: type) -> int | None: ...

    def __get__(self, tokenizer: SpecialTokens | None, owner: type) -> Self | int | None:
        return self if tokenizer is None else tokenizer._special_id(self.name)


class SpecialTokens:
    """The tokens of a tokenizer that are never split: the special ones by name, and those that were added.

    The vocabulary is a subclass's: ``vocab_size``, ``_token_to_id`` and ``_id_to_token``.
    """

    SPECIAL_TOKENS_ATTRIBUTES: ClassVar[tuple[str, ...]] = SPECIAL_TOKENS_ATTRIBUTES
    #: (special token's name, or "A" / "B" for the sequences; token type) in order.
    single_layout: Layout = (("A", 0),)
    pair_layout: Layout = (("A", 0), ("B", 1))
    #: Attributes that ``_forget`` makes anew and that pickles leave out.
    _remembered: ClassVar[tuple[str, ...]] = (
        *("_splitter", "_text_splitter", "_special_ids", "_added_counts", "_vocabulary_rows"),
    )

    bos_token = _SpecialToken()
    eos_token = _SpecialToken()
    unk_token = _SpecialToken()
    sep_token = _SpecialToken()
    pad_token = _SpecialToken()
    cls_token = _SpecialToken()
    mask_token = _SpecialToken()
    bos_token_id = _SpecialTokenId()
    eos_token_id = _SpecialTokenId()
    unk_token_id = _SpecialTokenId()
    sep_token_id = _SpecialTokenId()
    pad_token_id = _SpecialTokenId()
    cls_token_id = _SpecialTokenId()
    mask_token_id = _SpecialTokenId()

    def __init__(self) -> None:
        self.added_tokens_encoder: dict[str, int] = {}
        self.added_tokens_decoder: dict[int, str] = {}
        self._added: dict[str, AddedToken] = {}  # flags of every token that is never split, special ones aside
        self._top_id = -1
        self._special: dict[str, str | None] = dict.fromkeys(SPECIAL_TOKEN_NAMES)
        self._additional: list[str] = []
        self._forget()

    def _forget(self) -> None:
        """Drops what is remembered. Called when tokens change and after unpickling; subclasses extend it."""
        self._splitter: AddedTokenSplitter | None = None
        self._text_splitter: AddedTokenSplitter | None = None
        self._special_ids: dict[str, int | None] = {}
        self._added_counts: dict[bool, int] = {}
        self._vocabulary_rows: int | None = None

    # The vocabulary, which a subclass gives -------------------------------------------------------------------------

    @property
    def vocab_size(self) -> int:
        """Number of tokens of the vocabulary, added tokens aside (``len(tokenizer)`` counts both)."""
        raise NotImplementedError

    def _token_to_id(self, token: str) -> int | None:
        """Id of a token of the vocabulary; None if it has no such token."""
        raise NotImplementedError

    def _id_to_token(self, index: int) -> str | None:
        """Token of an id of the vocabulary; None if it has no such id."""
        raise NotImplementedError

    def get_vocab(self) -> dict[str, int]:
        """Every token, the added ones included, with its id."""
        raise NotImplementedError

    def __len__(self) -> int:
        """Rows that the embeddings need: the number of tokens, or one more than the largest id if ids have gaps."""
        if self._vocabulary_rows is None:
            self._vocabulary_rows = max(self.get_vocab().values(), default=-1) + 1
        return max(self.vocab_size + len(self.added_tokens_encoder), self._vocabulary_rows)

    def __bool__(self) -> bool:
        return True

    def _known_or_none(self, token: str) -> int | None:
        index = self.added_tokens_encoder.get(token)
        return self._token_to_id(token) if index is None else index

    def _known_id(self, token: str) -> int:
        index = self._known_or_none(token)
        if index is None:
            unknown = self._special["unk_token"]
            index = None if unknown is None else self._known_or_none(unknown)
            if index is None:
                raise ValueError(
                    f"{quoted(token)} is not in the vocabulary and neither is unk_token ({quoted(unknown)}): "
                    "add_special_tokens({'unk_token': ...}) gives it an id"
                )
        return index

    def _known_token(self, index: int) -> str:
        token = self.added_tokens_decoder.get(index)
        if token is None:
            token = self._id_to_token(index)
        if token is None:
            raise ValueError(f"no token has the id {quoted(index)} (the tokenizer has {len(self)} tokens)")
        return token

    def _token_or_empty(self, index: int) -> str:
        """Token of an id; empty text for an id that no token has."""
        return self.added_tokens_decoder.get(index) or self._id_to_token(index) or ""

    # Special tokens by name -----------------------------------------------------------------------------------------

    @property
    def additional_special_tokens(self) -> list[str]:
        return list(self._additional)

    @additional_special_tokens.setter
    def additional_special_tokens(self, value: Iterable[str | AddedToken]) -> None:
        if isinstance(value, str | AddedToken | dict) or not hasattr(value, "__iter__"):
            raise ValueError(f"additional_special_tokens must be a list of tokens, not {quoted(value)}")
        tokens = [AddedToken.from_json(token, special=True) for token in value]
        self._additional = [token.content for token in tokens]
        for token in tokens:
            self._added[token.content] = token
        self._forget()

    @property
    def additional_special_tokens_ids(self) -> list[int | None]:
        return [self._special_token_id(token) for token in self._additional]

    @property
    def special_tokens_map(self) -> dict[str, Any]:
        """The special tokens that are set, by name."""
        found: dict[str, Any] = {name: token for name, token in self._special.items() if token is not None}
        if self._additional:
            found["additional_special_tokens"] = list(self._additional)
        return found

    @property
    def all_special_tokens(self) -> list[str]:
        """The special tokens that are set, each once."""
        named = [token for token in self._special.values() if token is not None]
        return list(dict.fromkeys([*named, *self._additional]))

    @property
    def all_special_ids(self) -> list[int]:
        ids = [self._special_token_id(token) for token in self.all_special_tokens]
        return list(dict.fromkeys(index for index in ids if index is not None))

    def _set_special(self, name: str, value: str | AddedToken | None) -> None:
        if value is None:
            self._special[name] = None
        else:
            token = AddedToken.from_json(value, special=True)
            self._special[name] = token.content
            if not isinstance(value, str):
                token.special = True
                self._added[token.content] = token
        self._forget()

    def _special_token_id(self, token: str) -> int | None:
        index = self._known_or_none(token)
        if index is None and self._special["unk_token"] not in (None, token):
            index = self._known_or_none(str(self._special["unk_token"]))
        return index

    def _special_id(self, name: str) -> int | None:
        ids = self._special_ids
        if name not in ids:
            token = self._special[name]
            ids[name] = None if token is None else self._special_token_id(token)
        return ids[name]

    def _required_id(self, name: str) -> int:
        index = self._special_id(name)
        if index is None:
            raise ValueError(
                f"{name} ({quoted(self._special[name])}) has no id: set it with add_special_tokens({{{name!r}: ...}}) "
                "or encode with add_special_tokens=False"
            )
        return index

    def _skipped_ids(self) -> set[int]:
        """Ids that ``skip_special_tokens`` leaves out."""
        flagged = (self._known_or_none(token.content) for token in self._added.values() if token.special)
        return {*self.all_special_ids, *(index for index in flagged if index is not None)}

    # Adding tokens --------------------------------------------------------------------------------------------------

    def _folds_case(self) -> bool:
        """Whether added tokens are found in any case: so in tokenizers that lower-case."""
        return False

    def add_tokens(
        self, new_tokens: str | AddedToken | Sequence[str | AddedToken], special_tokens: bool = False
    ) -> int:
        """Adds tokens that are found in text as they stand and never split; returns how many got a new id.

        A token that the vocabulary has already keeps its id; it is no longer split. A tokenizer that lower-cases
        stores tokens in lower case, except special ones and those with ``AddedToken(..., normalized=False)``.
        The model's embeddings have to follow: ``model.resize_token_embeddings(len(tokenizer))``.
        """
        if isinstance(new_tokens, str | AddedToken):
            new_tokens = [new_tokens]
        added = 0
        special = set(self.all_special_tokens)
        fold = self._folds_case()
        for value in new_tokens:
            token = AddedToken.from_json(value, special=special_tokens)
            if fold and token.normalized and token.content not in special:
                token = AddedToken(
                    token.content.lower(), token.single_word, token.lstrip, token.rstrip, True, special=token.special
                )
            added += self._register(token, None)
        self._forget()
        return added

    def add_special_tokens(self, special_tokens_dict: Mapping[str, Any]) -> int:
        """Sets special tokens by name and adds those that the vocabulary lacks; returns how many got a new id.

        Raises ValueError for a name that is not one of ``SPECIAL_TOKENS_ATTRIBUTES``.
        """
        added = 0
        for name, value in special_tokens_dict.items():
            if name not in SPECIAL_TOKENS_ATTRIBUTES:
                raise ValueError(f"{quoted(name)} is not a special token: {', '.join(SPECIAL_TOKENS_ATTRIBUTES)}")
            if name == "additional_special_tokens":
                self.additional_special_tokens = value
                added += self.add_tokens([self._added[token] for token in self._additional], special_tokens=True)
            else:
                token = AddedToken.from_json(value, special=True)
                token.special = True
                setattr(self, name, token)
                added += self.add_tokens(token, special_tokens=True)
        return added

    def _register(self, token: AddedToken, index: int | None) -> int:
        """Adds one token and returns 1 if it got a new id. ``index`` is the id that a file gives it.

        The caller has to ``_forget`` afterwards.
        """
        content = token.content
        known = self._known_or_none(content)
        if known is None:
            if index is None:
                index = max(self.vocab_size, self._top_id + 1)
                while self._id_to_token(index) is not None:  # ids with gaps go beyond their number
                    index += 1
            elif (holder := self.added_tokens_decoder.get(index, self._id_to_token(index))) is not None:
                raise ValueError(f"added token {quoted(content)} has the id {index}, which is that of {quoted(holder)}")
            self.added_tokens_encoder[content] = index
            self.added_tokens_decoder[index] = content
            self._top_id = max(self._top_id, index)
        elif index is not None and index != known:
            raise ValueError(f"added token {quoted(content)} has the id {index} in one file and {known} in another")
        self._added[content] = token
        return int(known is None)

    def _get_splitter(self, without_special: bool = False) -> AddedTokenSplitter:
        """What finds added tokens in a text: all of them, or only those that are no special tokens."""
        if without_special:
            if self._text_splitter is None:
                special = {*self.all_special_tokens}
                others = {name: t for name, t in self._added.items() if not t.special and name not in special}
                self._text_splitter = AddedTokenSplitter(others, fold=self._folds_case())
            return self._text_splitter
        if self._splitter is None:
            named = {token: AddedToken(token, special=True) for token in self.all_special_tokens}
            self._splitter = AddedTokenSplitter({**named, **self._added}, fold=self._folds_case())
        return self._splitter

    # Special tokens around sequences --------------------------------------------------------------------------------

    def num_added_tokens(self, pair: bool = False) -> int:
        """Number of special tokens that encoding adds to one sequence or to a pair."""
        pair = bool(pair)
        if pair not in self._added_counts:
            self._added_counts[pair] = len(self.build_inputs_with_special_tokens([], [] if pair else None))
        return self._added_counts[pair]

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """The same as ``num_added_tokens``."""
        return self.num_added_tokens(pair)

    def build_inputs_with_special_tokens(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """The ids of one sequence, or of a pair, with the special tokens that the model expects around them."""
        ids: list[int] = []
        remembered = self._special_ids.get
        for part, _ in self.single_layout if token_ids_1 is None else self.pair_layout:
            if part == "A":
                ids += token_ids_0
            elif part == "B":
                ids += token_ids_1 or []
            else:
                index = remembered(part)
                ids.append(self._required_id(part) if index is None else index)
        return ids

    def add_special_tokens_single_sequence(self, token_ids: list[int]) -> list[int]:
        """What ``build_inputs_with_special_tokens`` gives for one sequence; the name that it had in 2.0."""
        return self.build_inputs_with_special_tokens(token_ids)

    def add_special_tokens_sequence_pair(self, token_ids_0: list[int], token_ids_1: list[int]) -> list[int]:
        """What ``build_inputs_with_special_tokens`` gives for a pair; the name that it had in 2.0."""
        return self.build_inputs_with_special_tokens(token_ids_0, token_ids_1)

    def create_token_type_ids_from_sequences(
        self, token_ids_0: list[int], token_ids_1: list[int] | None = None
    ) -> list[int]:
        """Token types (segments) of what ``build_inputs_with_special_tokens`` gives for the same sequences."""
        types: list[int] = []
        for part, kind in self.single_layout if token_ids_1 is None else self.pair_layout:
            if part == "A":
                types += [kind] * len(token_ids_0)
            elif part == "B":
                types += [kind] * len(token_ids_1 or ())
            else:
                types.append(kind)
        return types

    def get_special_tokens_mask(
        self,
        token_ids_0: list[int],
        token_ids_1: list[int] | None = None,
        already_has_special_tokens: bool = False,
    ) -> list[int]:
        """1 for each special token and 0 for each other of what ``build_inputs_with_special_tokens`` gives.

        With ``already_has_special_tokens`` the first list is a whole row. Special tokens are then told by their ids.
        ``unk_token`` is none of them: it stands for text. Raises ValueError if a second list is given as well.
        """
        if already_has_special_tokens:
            if token_ids_1 is not None:
                raise ValueError("already_has_special_tokens=True takes one list, which holds the pair already")
            named = {token for name, token in self._special.items() if name != "unk_token" and token is not None}
            special = {self._known_or_none(token) for token in (*named, *self._additional)}
            return [int(index in special) for index in as_list(token_ids_0)]
        mask: list[int] = []
        for part, _ in self.single_layout if token_ids_1 is None else self.pair_layout:
            if part == "A":
                mask += [0] * len(token_ids_0)
            elif part == "B":
                mask += [0] * len(token_ids_1 or ())
            else:
                mask.append(1)
        return mask
