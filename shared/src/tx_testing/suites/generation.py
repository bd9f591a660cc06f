"""Text generation as both frameworks do it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from .base import Suite
from .models import Backend, edited
from .spec import WORDS, Array, ModelSpec, assert_close

# Options with which a row's continuation must not depend on the rest of the batch.
OPTIONS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "repetition": {"repetition_penalty": 1.8},
    "minimum": {"min_length": 9},
    "bad words": {"bad_words_ids": [*([i] for i in range(0, WORDS, 2)), *([i, i] for i in range(WORDS))]},
    "beams": {"num_beams": 3, "num_return_sequences": 2},
    "beams, all": {"num_beams": 3, "min_length": 9, "repetition_penalty": 1.5, "early_stopping": True},
}


class Words:
    """A tokenizer for which token 7 is " 7" and decoding glues tokens together."""

    def decode(self, token_ids: Sequence[int]) -> str:
        assert all(type(token) is int for token in token_ids)
        return "".join(f" {token}" for token in token_ids)


class VariedModel:
    """What the suites of generation share: a model whose text varies, and prompts."""

    spec: ClassVar[ModelSpec]
    backend: ClassVar[Any]
    _models: ClassVar[dict[str, Any]] = {}

    @classmethod
    def applies(cls, spec: ModelSpec) -> bool:
        return spec.generates

    def varied(self, **config: Any) -> Path:
        """A random model whose layers and positions have so much effect that its text varies."""
        source: Path = self.backend.randomised(self.spec, "causal-lm", tie_word_embeddings=False, **config)
        folder = source.with_name(f"{source.name}-varied")

        def strengthen(arrays: dict[str, Array]) -> None:
            for name, array in arrays.items():
                of_words = self.spec.vocab_size() in array.shape or name.startswith(self.spec.words)
                if array.ndim > 1 and not of_words:
                    arrays[name] = 3 * array

        return folder if folder.exists() else edited(source, folder, strengthen)

    def model(self, **config: Any) -> Any:
        """The varied model; no test changes it."""
        folder = str(self.varied(**config))
        key = f"{self.backend.name} {folder}"
        if key not in self._models:
            self._models[key] = self.backend.model_class(self.spec, "causal-lm").from_pretrained(folder)
        return self._models[key]

    def fresh(self, **config: Any) -> Any:
        """The varied model, which the test may change."""
        return self.backend.model_class(self.spec, "causal-lm").from_pretrained(str(self.varied()), **config)

    def scores(self, ids: Array, prompt: int, model: Any = None) -> Array:
        """What calls say of the token after prompts, and after each later one: scores (B, S - prompt + 1, vocabulary).

        Args:
            ids: (B, S), whose first ``prompt`` are prompts.
        """
        model = model or self.model()

        def run(inputs: Mapping[str, Any]) -> dict[str, Any]:
            outputs: dict[str, Any] = self.backend.run(model, inputs)
            return outputs

        if self.spec.next_scores is not None:
            return self.spec.next_scores(run, ids, prompt)
        found: Array = run({"input_ids": ids})["logits"][:, prompt - 1 :]
        return found

    def prompts(self) -> tuple[Array, Any]:
        """Four prompts of 6 tokens, and a mask that leaves 6, 3, 1 and 5 of them; None without an attention mask."""
        assert self.spec.vocab_size() == WORDS, "a tiny model that generates has WORDS words"
        ids = np.random.default_rng(11).integers(5, WORDS, (4, 6))
        mask = (np.arange(6) >= 6 - np.array([6, 3, 1, 5])[:, None]).astype(np.int64)
        return ids, mask if self.spec.padded else None

    def tensors(self) -> tuple[Any, Any]:
        """The same, as the framework's tensors."""
        ids, mask = self.prompts()
        return self.backend.tensor(ids), None if mask is None else self.backend.tensor(mask)

    def ends(self) -> list[int]:
        """Tokens at which the greedy continuations of some prompts end: early, late, and for some not at all."""
        ids, _ = self.prompts()
        new = self.generate(ids, max_new_tokens=10, eos_token_id=()).sequences[:, 6:]
        counts = {token: int((new == token).any(1).sum()) for token in new.reshape(-1).tolist()}
        late = [t for t in new[:, 3:].reshape(-1).tolist() if counts[t] < len(new) and t not in new[:, 0]]
        return [*list(dict.fromkeys(late))[:3], 3, 17, 58]

    def generate(self, ids: Any, mask: Array | None = None, model: Any = None, **options: Any) -> Any:
        """The GenerationOutput, as NumPy arrays."""
        model = model or self.model()
        if isinstance(ids, np.ndarray):
            ids = self.backend.tensor(ids)
        result = model.generate(ids, None if mask is None else self.backend.tensor(mask), **options)
        return self.arrays(result)

    def arrays(self, result: Any) -> Any:
        return result._replace(**{n: self.backend.numpy(v) for n, v in result._asdict().items() if n != "stop_reasons"})


class GenerationSuite(VariedModel, Suite):
    """``generate`` of the architecture's language model."""

    backend: ClassVar[Backend]

    def slowly(self, ids: Array, steps: int, change: Callable[[Array, Array], Array] | None = None) -> Array:
        """Greedy search that reads everything anew for each token."""
        prompt = ids.shape[1]
        for _ in range(steps):
            scores = self.scores(ids, prompt)[:, -1]
            if change is not None:
                scores = np.stack([change(row, text) for row, text in zip(scores, ids, strict=True)])
            ids = np.concatenate((ids, scores.argmax(-1)[:, None]), 1)
        return ids

    # --- greedy search

    def test_greedy_is_the_likeliest_token_each_time(self) -> None:
        ids, _ = self.prompts()
        result = self.generate(ids, max_new_tokens=12, eos_token_id=())
        np.testing.assert_array_equal(result.sequences, self.slowly(ids, 12))
        assert result.stop_reasons == ("length",) * 4
        assert result._fields == ("sequences", "stop_reasons")

    def test_memory_grows(self) -> None:
        """Past every size to which the memory grows, and to the last position."""
        most = self.spec.max_positions
        model = self.model(**{} if most is None else {most: 200})
        ids = self.prompts()[0][:1]
        text = self.generate(ids, model=model, max_length=200, eos_token_id=()).sequences
        assert text.shape == (1, 200)
        again = self.scores(text[:, :-1], 6, model)
        np.testing.assert_array_equal(again.argmax(-1), text[:, 6:])

    def test_pruned_model(self) -> None:
        self.needs_pruning()
        model = self.fresh()
        model.prune_heads({0: [1], 1: [0, 2]})
        ids, _ = self.prompts()
        result = self.generate(ids, model=model, max_new_tokens=5, eos_token_id=())
        scores = self.scores(result.sequences[:, :-1], 6, model)
        np.testing.assert_array_equal(scores.argmax(-1), result.sequences[:, 6:])

    # --- ends

    def test_ends(self) -> None:
        ids, _ = self.prompts()
        ends = self.ends()
        plain = self.generate(ids, max_new_tokens=10, eos_token_id=()).sequences
        result = self.generate(ids, max_new_tokens=10, eos_token_id=ends, pad_token_id=2)
        assert set(result.stop_reasons) == {"eos", "length"}
        lengths = []
        for row, text, reason in zip(result.sequences, plain, result.stop_reasons, strict=True):
            found = [i for i in range(6, 16) if text[i] in ends]
            end = found[0] + 1 if found else 16
            lengths.append(end)
            assert reason == ("eos" if found else "length")
            np.testing.assert_array_equal(row[:end], text[:end])
            assert (row[end:] == 2).all()
        assert result.sequences.shape[1] == max(lengths)
        # Without a padding token, the first of the ends is it.
        unpadded = self.generate(ids, max_new_tokens=10, eos_token_id=ends).sequences
        np.testing.assert_array_equal(unpadded, np.where(result.sequences == 2, ends[0], result.sequences))

    def test_all_rows_end_early(self) -> None:
        ids, _ = self.prompts()
        first = self.scores(ids, 6)[:, 0].argmax(-1).tolist()
        result = self.generate(ids, max_new_tokens=10, eos_token_id=first)
        np.testing.assert_array_equal(result.sequences, np.concatenate((ids, np.array(first)[:, None]), 1))
        assert result.stop_reasons == ("eos",) * 4

    def test_ends_of_the_configuration(self) -> None:
        model = self.fresh()
        model.config.eos_token_id, model.config.pad_token_id = self.ends(), 2
        ids, _ = self.prompts()
        found = self.generate(ids, model=model, max_new_tokens=10)
        wanted = self.generate(ids, max_new_tokens=10, eos_token_id=self.ends(), pad_token_id=2)
        np.testing.assert_array_equal(found.sequences, wanted.sequences)
        assert self.generate(ids, model=model, max_new_tokens=10, eos_token_id=()).sequences.shape[1] == 16
        model.config.bos_token_id = 9
        assert self.generate(None, model=model, max_new_tokens=3, eos_token_id=()).sequences[:, 0].tolist() == [9]

    def test_stop_strings(self) -> None:
        ids, _ = self.prompts()
        plain = self.generate(ids, max_new_tokens=10, eos_token_id=()).sequences
        string = f"{plain[0, 8]} {plain[0, 9]}"  # begins in the middle of a token, spans two
        other = f" {plain[1, 7]}"
        strings = [string, other]
        options: dict[str, Any] = {"max_new_tokens": 10, "eos_token_id": (), "pad_token_id": 2, "tokenizer": Words()}
        result = self.generate(ids, stop_strings=strings, **options)
        assert result.stop_reasons[:2] == ("stop_string", "stop_string")
        for row, text, reason in zip(result.sequences, plain, result.stop_reasons, strict=True):
            ends = [i for i in range(7, 17) if any(each in Words().decode(text[6:i].tolist()) for each in strings)]
            end = ends[0] if ends else 16
            assert reason == ("stop_string" if ends else "length")
            np.testing.assert_array_equal(row[:end], text[:end])
            assert (row[end:] == 2).all()
        result = self.generate(ids, stop_strings=string, num_beams=2, **options)
        for row, reason in zip(result.sequences, result.stop_reasons, strict=True):
            assert (string in Words().decode(row[6:].tolist())) == (reason == "stop_string")

    # --- batches

    @pytest.mark.parametrize("name", list(OPTIONS))
    def test_every_row_is_its_single_run(self, name: str) -> None:
        self.needs_padding()
        ids, mask = self.prompts()
        options: dict[str, Any] = {"pad_token_id": 2, "eos_token_id": self.ends(), "max_new_tokens": 8, **OPTIONS[name]}
        alone = [self.generate(row[kept > 0][None], **options) for row, kept in zip(ids, mask, strict=True)]
        count = options.get("num_return_sequences", 1)
        right = [row[kept > 0] for row, kept in zip(ids, mask, strict=True)]
        shifted = np.stack([np.pad(row, (0, 6 - len(row))) for row in right])
        batches = {
            "left-padded": self.generate(ids, mask, **options),
            "right-padded": self.generate(shifted, mask[:, ::-1].copy(), **options),
            "of different lengths": self.generate([row.tolist() for row in right], **options),
        }
        for kind, batch in batches.items():
            for i, single in enumerate(alone):
                for j in range(count):
                    row, wanted = batch.sequences[count * i + j, 6 - int(mask[i].sum()) :], single.sequences[j]
                    assert batch.stop_reasons[count * i + j] == single.stop_reasons[j], (kind, i, j)
                    np.testing.assert_array_equal(row[: len(wanted)], wanted, err_msg=f"{kind}, row {i}, {j}")
                    assert (row[len(wanted) :] == 2).all()

    def test_overflow_stays_in_its_row(self) -> None:
        """A token whose vector is no number spoils the text that holds it, and no other."""
        model = self.fresh()
        table = self.backend.embedding(model.get_input_embeddings())
        table[7] = np.nan
        self.backend.set_embedding(model.get_input_embeddings(), table)
        ids, _ = self.prompts()
        ids[0] = 7
        ids[1:] = np.where(ids[1:] == 7, 8, ids[1:])
        for scores in (False, True):
            options: dict[str, Any] = {"max_new_tokens": 8, "eos_token_id": (), "output_scores": scores}
            found = self.generate(ids, model=model, **options).sequences[1:]
            wanted = self.generate(ids[1:], model=model, **options).sequences
            np.testing.assert_array_equal(found, wanted)

    @pytest.mark.parametrize("beams", [1, 3])
    def test_max_length_counts_without_padding(self, beams: int) -> None:
        self.needs_padding()
        ids, mask = self.prompts()
        options: dict[str, Any] = {"max_length": 9, "eos_token_id": (), "pad_token_id": 2, "num_beams": beams}
        result = self.generate(ids, mask, **options)
        assert result.sequences.shape[1] == 6 + 8
        for i, kept in enumerate(mask.sum(1)):
            row = result.sequences[i, 6 - kept :]
            wanted = self.generate(ids[i : i + 1, 6 - kept :], **options).sequences[0]
            assert len(wanted) == 9
            np.testing.assert_array_equal(row[:9], wanted)
            assert (row[9:] == 2).all()

    def test_one_prompt_as_a_list(self) -> None:
        ids, _ = self.prompts()
        found = self.generate(ids[0].tolist(), max_new_tokens=4, eos_token_id=())
        np.testing.assert_array_equal(found.sequences, self.slowly(ids[:1], 4))

    def test_masked_tokens_inside_a_prompt(self) -> None:
        self.needs_padding()
        ids, _ = self.prompts()
        mask = np.ones_like(ids)
        mask[:, 2] = 0
        other = ids.copy()
        other[:, 2] = 5
        one, two, unmasked = (
            self.generate(each, kept, max_new_tokens=6, eos_token_id=()).sequences[:, 6:]
            for each, kept in ((ids, mask), (other, mask), (ids, None))
        )
        np.testing.assert_array_equal(one, two)
        assert (one != unmasked).any()

    # --- scores

    def test_repetition_penalty(self) -> None:
        def penalise(scores: Array, text: Array) -> Array:
            scores = scores.copy()
            for token in set(text.tolist()):
                scores[token] = scores[token] / 1.8 if scores[token] > 0 else scores[token] * 1.8
            return scores

        ids, _ = self.prompts()
        found = self.generate(ids, max_new_tokens=8, eos_token_id=(), repetition_penalty=1.8).sequences
        np.testing.assert_array_equal(found, self.slowly(ids, 8, penalise))
        assert (found != self.slowly(ids, 8)).any()

    def test_bad_words(self) -> None:
        words = OPTIONS["bad words"]["bad_words_ids"]
        single, pairs = {w[0] for w in words if len(w) == 1}, {tuple(w) for w in words if len(w) == 2}
        ids, _ = self.prompts()

        def forbid(scores: Array, text: Array) -> Array:
            wrong = [i for i in range(len(scores)) if i in single or (int(text[-1]), i) in pairs]
            scores = scores.copy()
            scores[wrong] = -np.inf
            return scores

        found = self.generate(ids, max_new_tokens=8, eos_token_id=(), bad_words_ids=words).sequences
        np.testing.assert_array_equal(found, self.slowly(ids, 8, forbid))

    def test_long_bad_words(self) -> None:
        ids, _ = self.prompts()
        plain = self.slowly(ids, 8)
        word = plain[0, 7:10].tolist()  # comes up as a whole, so its end does not
        found = self.generate(ids, max_new_tokens=8, eos_token_id=(), bad_words_ids=[word]).sequences
        end = next(i for i in range(6, 14) if plain[0, i - 2 : i + 1].tolist() == word)
        np.testing.assert_array_equal(found[0, :end], plain[0, :end])
        assert found[0, end] != plain[0, end]
        longer = [*([5] * 20), int(plain[0, 6])]  # longer than any text
        again = self.generate(ids, max_new_tokens=8, eos_token_id=(), bad_words_ids=[longer]).sequences
        np.testing.assert_array_equal(again, plain)

    def test_min_length(self) -> None:
        ids, _ = self.prompts()
        ends = self.scores(ids, 6)[:, 0].argmax(-1).tolist()
        result = self.generate(ids, max_new_tokens=8, eos_token_id=ends, min_length=10, pad_token_id=2)
        assert not np.isin(result.sequences[:, 6:9], ends).any()
        late = self.generate(ids, max_new_tokens=8, eos_token_id=ends, min_length=6, pad_token_id=2)
        assert late.stop_reasons == ("eos",) * 4

    def test_scores(self) -> None:
        ids, _ = self.prompts()
        result = self.generate(ids, max_new_tokens=8, eos_token_id=self.ends(), pad_token_id=2, output_scores=True)
        assert result._fields == ("sequences", "stop_reasons", "scores")
        assert_close(result.scores, self._logprobs(result.sequences, self.ends()), 1e-5)
        assert (result.scores[:, 0] < 0).all()

    def _logprobs(self, sequences: Array, ends: Sequence[int]) -> Array:
        """Log-probabilities of the new tokens up to the end, from the model without memory."""
        logits = self.scores(sequences[:, :-1], 6).astype(np.float64)
        logits -= logits.max(-1, keepdims=True)
        logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        found: Array = np.take_along_axis(logprobs, sequences[:, 6:, None], -1)[:, :, 0]
        ended = np.cumsum(np.isin(sequences[:, 6:], list(ends)), 1)
        ended = np.pad(ended, ((0, 0), (1, 0)))[:, :-1] > 0
        return np.where(ended, 0, found)

    # --- beams

    @pytest.mark.parametrize("penalty", [1.0, 0.0, 2.0])
    def test_scores_of_beams(self, penalty: float) -> None:
        ids, _ = self.prompts()
        ends = self.ends()
        result = self.generate(
            ids,
            max_new_tokens=8,
            eos_token_id=ends,
            pad_token_id=2,
            num_beams=4,
            num_return_sequences=3,
            length_penalty=penalty,
            output_scores=True,
        )
        assert result.sequences.shape[0] == 12
        wanted = self._logprobs(result.sequences, ends)
        assert_close(result.scores, wanted, 1e-5)
        lengths = (wanted < 0).sum(1)
        assert_close(result.sequence_scores, wanted.sum(1) / lengths**penalty, 1e-5)
        assert (np.diff(result.sequence_scores.reshape(4, 3), axis=1) <= 0).all()
        for three in result.sequences.reshape(4, 3, -1):
            assert len({tuple(row.tolist()) for row in three}) == 3

    def test_beams_as_many_as_tokens_find_the_best(self) -> None:
        """With a beam for every token, two steps are an exhaustive search."""
        ids = self.prompts()[0][:2]
        size = self.spec.vocab_size()
        result = self.generate(
            ids, max_new_tokens=2, eos_token_id=(), num_beams=size, length_penalty=0.0, output_scores=True
        )
        for i, prompt in enumerate(ids):
            firsts = np.concatenate((np.tile(prompt, (size, 1)), np.arange(size)[:, None]), 1)
            logits = self.scores(firsts, 6).astype(np.float64)
            logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
            sums = logprobs[0, 0][:, None] + logprobs[:, 1]
            best = np.unravel_index(sums.argmax(), sums.shape)
            assert result.sequences[i, 6:].tolist() == list(best)
            assert abs(result.sequence_scores[i] - sums.max()) < 1e-4

    def test_one_beam_is_greedy(self) -> None:
        ids, _ = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 6, "eos_token_id": ()}
        two = self.generate(ids, num_beams=2, num_return_sequences=2, **options).sequences
        assert len(two) == 8
        np.testing.assert_array_equal(self.generate(ids, num_beams=1, **options).sequences, self.slowly(ids, 6))

    # --- sampling

    def test_seeds(self) -> None:
        ids, _ = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 8, "eos_token_id": (), "do_sample": True}
        one, same, other = (self.generate(ids, seed=seed, **options).sequences for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert (one != other).any()

    def test_sampling_that_leaves_one_token_is_greedy(self) -> None:
        ids, _ = self.prompts()
        for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
            found = self.generate(ids, max_new_tokens=6, eos_token_id=(), do_sample=True, seed=0, **options).sequences
            np.testing.assert_array_equal(found, self.slowly(ids, 6), err_msg=str(options))

    @pytest.mark.parametrize(
        "options",
        [{}, {"temperature": 2.5}, {"top_k": 5}, {"top_p": 0.7}, {"temperature": 2.0, "top_k": 9, "top_p": 0.8}],
    )
    def test_sampling_follows_the_probabilities(self, options: dict[str, Any]) -> None:
        ids = self.prompts()[0][:1]
        count = 4000
        result = self.generate(
            ids, max_new_tokens=1, eos_token_id=(), do_sample=True, num_return_sequences=count, seed=0, **options
        )
        drawn = np.bincount(result.sequences[:, -1], minlength=self.spec.vocab_size()) / count
        scores = self.scores(ids, 6)[0, 0].astype(np.float64) / options.get("temperature", 1.0)
        order = np.argsort(-scores)
        scores[order[int(options.get("top_k", len(scores))) :]] = -np.inf
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        before = np.cumsum(chances[order]) - chances[order]
        chances[order[before >= options.get("top_p", 1.0)]] = 0
        chances /= chances.sum()
        assert not drawn[chances == 0].any()
        # Five standard deviations of a count, and a little for those that are close to 0.
        assert (np.abs(drawn - chances) <= 5 * np.sqrt(chances * (1 - chances) / count) + 1e-3).all()

    def test_several_samples_of_each_prompt(self) -> None:
        ids, mask = self.prompts()
        result = self.generate(
            ids, mask, max_new_tokens=5, eos_token_id=(), pad_token_id=2, do_sample=True, num_return_sequences=3, seed=4
        )
        assert result.sequences.shape == (12, 11)
        np.testing.assert_array_equal(result.sequences[:, :6], np.repeat(ids, 3, 0))
        assert len({tuple(row) for row in result.sequences[:, 6:].tolist()}) > 4

    def test_beams_that_sample(self) -> None:
        ids, _ = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 6, "num_beams": 3, "do_sample": True, "temperature": 3.0}
        options["eos_token_id"] = self.ends()
        one, same, other = (self.generate(ids, seed=seed, **options).sequences for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert one.shape != other.shape or (one != other).any()

    # --- stream

    def test_stream(self) -> None:
        ids, mask = self.prompts()
        options: dict[str, Any] = {"max_new_tokens": 10, "eos_token_id": self.ends(), "pad_token_id": 2}
        wanted = self.generate(ids, mask, **options)
        stream = self.model().generate(*self.tensors(), stream=True, **options)
        first = next(stream)
        assert first == tuple(wanted.sequences[:, 6].tolist())
        assert all(type(token) is int for token in first)
        with pytest.raises(RuntimeError, match="not ended"):
            stream.output  # noqa: B018
        rest = list(stream)
        tokens = np.array([[2 if token is None else token for token in step] for step in (first, *rest)]).T
        np.testing.assert_array_equal(tokens, wanted.sequences[:, 6:])
        ended = [any(step[i] is None for step in rest) for i in range(4)]
        assert any(ended)
        assert all(wanted.stop_reasons[i] == "eos" for i in range(4) if ended[i])
        output = self.arrays(stream.output)
        np.testing.assert_array_equal(output.sequences, wanted.sequences)
        assert output.stop_reasons == wanted.stop_reasons
        assert next(stream, None) is None

    # --- errors

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({}, "max_new_tokens"),
            ({"max_length": 9, "max_new_tokens": 3}, "not both"),
            ({"max_new_tokens": 0}, "at least 1, not 0"),
            ({"max_length": 6}, "6 tokens already"),
            ({"max_length": 8, "min_length": 9}, "min_length is 9"),
            ({"max_new_tokens": 3, "num_beams": 0}, "num_beams must be at least 1"),
            ({"max_new_tokens": 3, "repetition_penalty": 0.0}, "repetition_penalty"),
            ({"max_new_tokens": 3, "temperature": 0.7}, "do_sample=True"),
            ({"max_new_tokens": 3, "top_k": 3}, "do_sample=True"),
            ({"max_new_tokens": 3, "seed": 3}, "do_sample=True"),
            ({"max_new_tokens": 3, "do_sample": True, "temperature": 0.0}, "temperature must be above 0"),
            ({"max_new_tokens": 3, "do_sample": True, "top_k": 0}, "top_k must be at least 1"),
            ({"max_new_tokens": 3, "do_sample": True, "top_p": 1.2}, "top_p"),
            ({"max_new_tokens": 3, "num_return_sequences": 2}, "num_return_sequences=2"),
            ({"max_new_tokens": 3, "num_return_sequences": 3, "num_beams": 2}, "num_beams is only 2"),
            ({"max_new_tokens": 3, "length_penalty": 2.0}, "num_beams"),
            ({"max_new_tokens": 3, "early_stopping": True}, "num_beams"),
            ({"max_new_tokens": 3, "early_stopping": "soon", "num_beams": 2}, "'soon'"),
            ({"max_new_tokens": 3, "stream": True, "num_beams": 2}, "stream"),
            ({"max_new_tokens": 3, "bad_words_ids": [[1], []]}, "empty word"),
            ({"max_new_tokens": 3, "bad_words_ids": [[1, WORDS]]}, f"0 to {WORDS - 1}"),
            ({"max_new_tokens": 3, "bad_words_ids": [[i] for i in range(WORDS)]}, "whole vocabulary"),
            ({"max_new_tokens": 3, "eos_token_id": WORDS}, f"eos_token_id is {WORDS}"),
            ({"max_new_tokens": 3, "pad_token_id": -1}, f"0 to {WORDS - 1}"),
            ({"max_new_tokens": 3, "stop_strings": "a"}, "tokenizer="),
            ({"max_new_tokens": 3, "stop_strings": [""], "tokenizer": Words()}, "not empty"),
            ({"max_new_tokens": 3, "tokenizer": Words()}, "stop_strings"),
        ],
    )
    def test_wrong_options_are_refused(self, options: dict[str, Any], match: str) -> None:
        with pytest.raises(ValueError, match=match):
            self.generate(self.prompts()[0], **{"eos_token_id": (), **options})

    def test_wrong_types_are_refused(self) -> None:
        ids, _ = self.prompts()
        for options, match in (
            ({"max_new_tokens": 2.5}, "whole number"),
            ({"max_new_tokens": 3, "eos_token_id": "x"}, "eos_token_id"),
            ({"max_new_tokens": 3, "temprature": 0.7}, "temprature"),
        ):
            with pytest.raises(TypeError, match=match):
                self.generate(ids, **options)
        with pytest.raises(TypeError, match="token ids"):
            self.generate(ids.astype(np.float32), max_new_tokens=3)

    def test_wrong_prompts_are_refused(self) -> None:
        ids, mask = self.prompts()
        wrong: list[tuple[Any, Array | None, str]] = [
            ([], None, "at least one prompt"),
            ([[5], []], None, "at least one token"),
            (np.full((1, 2), self.spec.vocab_size()), None, "vocabulary"),
            (np.full((1, 2), -1), None, "-1"),
        ]
        if self.spec.padded:
            wrong.append((ids, mask[:, 1:].copy(), "attention_mask"))
            wrong.append((ids, mask * 0, "leaves nothing"))
            wrong.append(([[5], [6, 7]], None, "pad_token_id"))
        for prompt, kept, match in wrong:
            with pytest.raises(ValueError, match=match):
                self.generate(prompt, kept, max_new_tokens=3, eos_token_id=())
        if self.spec.padded:
            with pytest.raises(ValueError, match="pad_token_id"):
                self.generate(ids, mask, max_length=9, eos_token_id=())
        with pytest.raises(ValueError, match="bos_token_id"):
            self.generate(None, max_new_tokens=3, model=self.model(bos_token_id=None))

    def test_too_long_a_text_is_refused(self) -> None:
        if self.spec.max_positions is None:
            pytest.skip("does not apply: this architecture has no limit")
        most = int(getattr(self.model().config, self.spec.max_positions))
        ids, mask = self.prompts()
        assert self.generate(ids[:1], max_length=most, eos_token_id=()).sequences.shape == (1, most)
        for options in ({"max_length": most + 1}, {"max_new_tokens": most - 5}):
            with pytest.raises(ValueError, match=rf"{most + 1}\b.*\b{most}\b"):
                self.generate(ids, mask, eos_token_id=(), pad_token_id=2, **options)
        if not self.spec.padded:
            return
        # Padding takes no position.
        row = self.generate(ids[2:3], mask[2:3], max_new_tokens=most - 1, eos_token_id=()).sequences
        assert row.shape == (1, most + 5)

    @pytest.mark.parametrize("options", [{}, {"num_beams": 2}], ids=["greedy", "beams"])
    def test_every_row_reaches_the_last_position(self, options: dict[str, Any]) -> None:
        """Those that are there first wait for the others."""
        self.needs_padding()
        if self.spec.max_positions is None:
            pytest.skip("does not apply: this architecture has no limit")
        most = int(getattr(self.model().config, self.spec.max_positions))
        long = np.random.default_rng(5).integers(5, self.spec.vocab_size(), most - 2).tolist()
        options = {"max_length": most, "eos_token_id": (), "pad_token_id": 2, **options}
        both = self.generate([long, [7, 8]], **options).sequences
        assert both[0].tolist() == [*self.generate(long, **options).sequences[0].tolist(), *([2] * (most - 4))]
        assert both[1, most - 4 :].tolist() == self.generate([7, 8], **options).sequences[0].tolist()

    def test_options_go_together(self) -> None:
        ids, mask = self.prompts()
        some: list[dict[str, Any]] = [{}, {"eos_token_id": 3}, {"repetition_penalty": 1.2}, {"bad_words_ids": [[4]]}]
        ways: list[dict[str, Any]] = [{}, {"num_beams": 2}, {"do_sample": True, "seed": 1, "top_p": 0.9}]
        for one, two, way in itertools.product(some, some, ways):
            options: dict[str, Any] = {"max_new_tokens": 3, "pad_token_id": 2, **one, **two, **way}
            result = self.generate(ids, mask, output_scores=True, **options)
            assert np.isfinite(result.scores).all()
