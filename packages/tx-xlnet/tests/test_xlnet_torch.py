"""What only XLNet has, in PyTorch: its memory, its two streams, and the distances between tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tx_xlnet.config import XLNetConfig
from tx_xlnet.model_torch import XLNetForMultipleChoice, XLNetLMHeadModel, XLNetModel
from tx_xlnet.streams_torch import StreamsContext

SIZES: dict[str, Any] = {"vocab_size": 99, "d_model": 32, "n_layer": 3, "n_head": 4, "d_inner": 48, "mem_len": 20}


def make(cls: Any = XLNetModel, **changes: Any) -> Any:
    torch.manual_seed(0)
    return cls(XLNetConfig(**{**SIZES, "initializer_range": 0.3, **changes})).eval()


def ids(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(5, 99, (rows, length), generator=torch.Generator().manual_seed(seed))


def order(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    """A permutation mask: each token sees those before it in an order of its row's own."""
    places = torch.rand(rows, length, generator=torch.Generator().manual_seed(seed)).argsort(-1)
    return (places[:, :, None] <= places[:, None]).float()


def targets(length: int, *places: int) -> torch.Tensor:
    return torch.eye(length)[list(places)][None]


def same(found: torch.Tensor, wanted: torch.Tensor, tolerance: float = 1e-5) -> None:
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() <= tolerance * wanted.abs().max()


# --- memory


@pytest.mark.parametrize("lengths", [(4, 3, 5), (1, 1, 1, 9), (11, 1)])
@pytest.mark.parametrize("changes", [{"attn_type": "uni"}, {"attn_type": "uni", "clamp_len": 2}, {}], ids=str)
@torch.no_grad()
def test_segments_with_memory_are_one_pass(lengths: tuple[int, ...], changes: dict[str, Any]) -> None:
    """Where no token sees a later one, for which a permutation mask is another way."""
    model, words = make(**changes), ids(2, 12)
    causal = {} if changes else {"perm_mask": torch.ones(2, 12, 12).triu(1)}
    wanted = model(words, **causal)
    mems, start, found = None, 0, []
    for length in lengths:
        part = {} if changes else {"perm_mask": torch.ones(2, length, length).triu(1)}
        states, mems = model(words[:, start : start + length], mems=mems, **part)[:2]
        found.append(states)
        start += length
    same(torch.cat(found, 1), wanted[0])
    for one, two in zip(mems, wanted.mems, strict=True):
        same(one, two)


@torch.no_grad()
def test_rows_are_reset_by_zeros() -> None:
    model, words = make(), ids(3, 5)
    mems = model(ids(3, 6, 1)).mems
    keep = torch.tensor([1, 0, 1])
    found = model(words, mems=[m * keep[None, :, None] for m in mems], output_attentions=True)
    same(found[0][1], model(words[1:2])[0][0])
    same(found[0][::2], model(words[::2], mems=[m[:, ::2] for m in mems])[0])
    assert not any(weights[1, :, :, :6].any() for weights in found.attentions)
    assert (model(words, mems=mems)[0][1] - found[0][1]).abs().max() > 1e-2


@torch.no_grad()
def test_how_much_is_remembered() -> None:
    words, more = ids(2, 7), ids(2, 4, 1)
    for nothing in (None, 0):
        assert len(make(mem_len=nothing)(words)) == 1
    assert len(make(mem_len=0)(words, mems=make()(words).mems)) == 1
    model = make(mem_len=9, reuse_len=6)
    mems = model(words, output_hidden_states=True)
    for m, states in zip(mems.mems, mems.hidden_states, strict=False):
        assert torch.equal(m, states[:, :6].transpose(0, 1))
    after = model(more, mems=mems.mems, output_hidden_states=True)
    for m, before, states in zip(after.mems, mems.mems, after.hidden_states, strict=False):
        assert torch.equal(m, torch.cat((before, states.transpose(0, 1)))[-9:])
    assert len(model(words, use_mems=False)) == 1
    assert len(model.train()(words)) == 2
    assert not any(m.requires_grad for m in model(words).mems)
    model.config.use_mems_train = False
    assert len(model(words)) == 1
    model.config.use_mems_eval = False
    assert len(model.eval()(words)) == 1
    assert len(model(words, use_mems=True)) == 2


@pytest.mark.parametrize("skip", [True, False])
@torch.no_grad()
def test_left_padding_and_memory(skip: bool) -> None:
    """A left-padded batch is its rows, and so is the next segment with its memory."""
    model, words, lengths = make(), ids(3, 6), (6, 2, 4)
    mask = torch.stack([(torch.arange(6) >= 6 - n).long() for n in lengths])
    batch = model(words, attention_mask=mask, skip_padding=skip)
    following = ids(3, 5, 2)
    after = model(following, mems=batch.mems)
    for row, length in enumerate(lengths):
        alone = model(words[row : row + 1, 6 - length :])
        same(batch[0][row : row + 1, 6 - length :], alone[0])
        for m, own in zip(batch.mems, alone.mems, strict=True):
            assert not m[: 6 - length, row].any()
            same(m[6 - length :, row : row + 1], own)
        same(after[0][row : row + 1], model(following[row : row + 1], mems=alone.mems)[0])


@torch.no_grad()
def test_tokens_that_do_not_stand_side_by_side_keep_their_distances() -> None:
    model, words = make(), ids(2, 6)
    mask = torch.tensor([[1, 1, 0, 1, 1, 0], [1, 1, 1, 1, 1, 1]])
    found, wanted = model(words, mask)[0], model(words, mask, skip_padding=False)[0]
    same(found[mask > 0], wanted[mask > 0], 1e-6)


@torch.no_grad()
def test_memories_that_do_not_fit_are_refused() -> None:
    model, words = make(), ids(2, 5)
    mems = model(words).mems
    for wrong, said in (
        (mems[:2], "each of 3 layers"),
        ((*mems[:2], None), "it holds 2"),
        ([m[:, :1] for m in mems], r"mems\[0\] must have shape .*here \(5, 2, 32\), not \(5, 1, 32\)"),
        ((*mems[:2], mems[2][1:]), r"mems\[2\] must have shape"),
    ):
        with pytest.raises(ValueError, match=said):
            model(words, mems=wrong)
    for none in (None, [None] * 3):
        assert torch.equal(model(words, mems=none)[0], model(words)[0])
    assert torch.equal(model(words, mems=torch.stack(mems))[0], model(words, mems=mems)[0])


# --- two streams


@torch.no_grad()
def test_targets_do_not_know_their_own_tokens() -> None:
    model, words, seen = make(XLNetLMHeadModel), ids(1, 6), torch.zeros(1, 6, 6)
    seen[:, :, 2] = seen[:, :, 5] = 1
    mapping = targets(6, 2, 5)
    logits = model(words, perm_mask=seen, target_mapping=mapping).logits
    assert logits.shape == (1, 2, 99)
    other = words.clone()
    other[0, [2, 5]] = torch.tensor([7, 8])
    same(model(other, perm_mask=seen, target_mapping=mapping).logits, logits)
    other[0, 1] = 9
    assert (model(other, perm_mask=seen, target_mapping=mapping).logits - logits).abs().max() > 1e-2


@torch.no_grad()
def test_a_target_that_sees_nothing_attends_to_everything_alike() -> None:
    model, words = make(), ids(2, 5)
    mapping = torch.eye(5).repeat(2, 1, 1)
    weights = model(words, perm_mask=torch.ones(2, 5, 5), target_mapping=mapping, output_attentions=True).attentions
    for content, of_targets in weights:
        same(content, torch.eye(5).expand_as(content))
        same(of_targets, torch.full_like(of_targets, 0.2))


def test_gradients_of_fused_attention_are_those_of_the_plain_one() -> None:
    """Of targets that see nothing too."""
    model, words = make(dropout=0.0), ids(2, 6)
    given = {
        "attention_mask": torch.tensor([[0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]]),
        "perm_mask": order(2, 6),
        "target_mapping": torch.eye(6)[[0, 3, 5]].repeat(2, 1, 1),
        "token_type_ids": torch.tensor([[4, 0, 0, 1, 1, -2], [0, 0, 1, 1, 1, 2]]),
        "mems": model(ids(2, 3)).mems,
    }
    found = []
    for plain in (False, True):
        model.zero_grad()
        states = model(words, **given, output_attentions=plain)[0]
        (states * torch.linspace(-1, 1, states.numel()).view_as(states).sin()).sum().backward()
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    assert found[0].keys() == dict(model.named_parameters()).keys()
    for name, gradient in found[1].items():
        same(found[0][name], gradient, 5e-5)


@torch.no_grad()
def test_states_of_both_streams_in_turns() -> None:
    model, words = make(), ids(2, 6)
    outputs = model(words, target_mapping=targets(6, 1, 4).repeat(2, 1, 1), output_hidden_states=True)
    assert [x.shape[1] for x in outputs.hidden_states] == [6, 2] * 4
    assert torch.equal(outputs[0], outputs.hidden_states[-1])
    for m, wanted in zip(outputs.mems, model(words).mems, strict=True):
        same(m, wanted)


# --- other inputs


@torch.no_grad()
def test_both_masks_of_padding() -> None:
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1]])
    for cls in (XLNetModel, XLNetLMHeadModel):
        model, words = make(cls), ids(2, 4)
        assert torch.equal(model(words, input_mask=1 - mask)[0], model(words, mask)[0])
        with pytest.raises(ValueError, match="give one of them"):
            model(words, mask, input_mask=1 - mask)
    choices = {"input_ids": ids(2, 12).view(2, 3, 4), "attention_mask": torch.tensor([[[1, 1, 1, 0]] * 3] * 2)}
    model = make(XLNetForMultipleChoice)
    wanted = model(**choices).logits
    assert torch.equal(model(choices["input_ids"], None, 1 - choices["attention_mask"]).logits, wanted)


@torch.no_grad()
def test_only_whether_segments_differ_counts() -> None:
    model, words = make(), ids(1, 5)
    types = torch.tensor([[0, 0, 1, 1, 2]])
    wanted = model(words, token_type_ids=types)[0]
    same(model(words, token_type_ids=-7 - 3 * types)[0], wanted)
    assert (model(words, token_type_ids=types.clamp(max=1))[0] - wanted).abs().max() > 1e-3


@torch.no_grad()
def test_the_second_half_of_the_rows_is_read_backwards() -> None:
    model, words = make(bi_data=True), ids(2, 5)
    forwards = make()
    found = model(words)[0]
    same(found[:1], forwards(words[:1])[0])
    assert (found[1:] - forwards(words[1:])[0]).abs().max() > 1e-3
    same(model(words.flip(-1)[[0, 0]])[0][1].flip(0), forwards(words[:1])[0][0])
    with pytest.raises(ValueError, match="3 rows"):
        model(ids(3, 5))


@torch.no_grad()
def test_all_tokens_attend_to_equally_many() -> None:
    model = make(attn_type="uni", same_length=True)
    mems = model(ids(2, 4)).mems
    for weights in model(ids(2, 3, 1), mems=mems, output_attentions=True).attentions:
        assert ((weights > 0).sum(-1) == 5).all()


@torch.no_grad()
def test_shapes_that_do_not_fit_are_refused() -> None:
    model, words = make(), ids(2, 5)
    for name, value in (
        ("attention_mask", torch.ones(2, 5, 5)),
        ("token_type_ids", torch.zeros(2, 4)),
        ("perm_mask", torch.zeros(1, 5, 5)),
        ("target_mapping", torch.zeros(2, 3, 6)),
    ):
        with pytest.raises(ValueError, match=f"{name} must have shape"):
            model(words, **{name: value})


def test_heads_cannot_be_removed() -> None:
    model = make()
    with pytest.raises(NotImplementedError, match="removal of heads"):
        model.prune_heads({0: [1]})
    assert not model.config.pruned_heads
    with pytest.raises(ValueError, match="head_mask"):
        make(pruned_heads={0: [1]})


def test_width_of_heads() -> None:
    model = make(d_model=6, n_head=2, d_head=4)
    assert model.layer[0].rel_attn.q.shape == (6, 2, 4)
    assert model(ids(1, 3))[0].shape == (1, 3, 6)


def test_biases_of_all_layers() -> None:
    model = make(untie_r=False)
    assert model.layer[2].rel_attn.r_w_bias is model.layer[0].rel_attn.r_w_bias
    assert model.layer[2].rel_attn.seg_embed is not model.layer[0].rel_attn.seg_embed
    assert model.num_parameters() == make().num_parameters() - 2 * 3 * 32


# --- graphs and several devices


def _everything(model: Any, rows: int = 2, length: int = 5) -> dict[str, Any]:
    return {
        "input_ids": ids(rows, length, length),
        "attention_mask": (torch.arange(length) < length - torch.arange(rows)[:, None]).long(),
        "mems": model(ids(rows, 4, 7)).mems,
        "perm_mask": order(rows, length),
        "target_mapping": torch.eye(length)[:2].repeat(rows, 1, 1),
        "token_type_ids": (torch.arange(length) > 2).long().repeat(rows, 1),
    }


@torch.no_grad()
def test_compile_with_memory_and_targets() -> None:
    model = make()
    torch._dynamo.reset()
    compiled: Any = torch.compile(model, fullgraph=True, dynamic=True, backend="eager")
    for rows, length in ((2, 5), (3, 6)):
        given = _everything(model, rows, length)
        wanted, found = model(**given), compiled(**given)
        same(found[0], wanted[0])
        for one, two in zip(found.mems, wanted.mems, strict=True):
            same(one, two)
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_trace_with_memory_and_targets() -> None:
    model = make(torchscript=True)

    class Positional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, words: Any, mask: Any, seen: Any, mapping: Any, types: Any, *mems: Any) -> Any:
            return self.model(words, mask, mems, seen, mapping, types)

    def listed(given: dict[str, Any]) -> list[Any]:
        names = ("input_ids", "attention_mask", "perm_mask", "target_mapping", "token_type_ids")
        return [*(given[name] for name in names), *given["mems"]]

    model.config.torchscript = False
    calls = [_everything(model, *sizes) for sizes in ((2, 5), (3, 6))]
    model.config.torchscript = True
    trace: Any = torch.jit.trace
    traced = trace(Positional(), tuple(listed(calls[0])), check_trace=False)
    for given in calls:
        wanted, found = model(**given), traced(*listed(given))
        same(found[0], wanted[0])
        for one, two in zip(found[1], wanted[1], strict=True):
            same(one, two)


def test_distributed_training(tmp_path: Any) -> None:
    """With targets and segments every parameter has a gradient; without them PyTorch has to look which have none."""
    torch.distributed.init_process_group("gloo", f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        for whole in (True, False):
            model = make(XLNetLMHeadModel, dropout=0.0).train()
            given = _everything(model) if whole else {"input_ids": ids(2, 5)}
            labels = ids(2, 2 if whole else 5, 3)
            parallel = nn.parallel.DistributedDataParallel(model, find_unused_parameters=not whole)
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
            losses = []
            for _ in range(3):
                loss = parallel(**given, labels=labels).loss
                loss.backward()
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
            assert losses[-1] < losses[0]
    finally:
        torch.distributed.destroy_process_group()


@torch.no_grad()
def test_padding_is_skipped_only_where_rows_are_their_tokens() -> None:
    model, mask = make(), torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])

    def packed(**given: Any) -> bool:
        names = ("attention_mask", "mems", "perm_mask", "target_mapping", "token_type_ids", "input_mask", "head_mask")
        values = [given.get(name) for name in names]
        flags = (None, None, given.get("output_attentions"), None, None)
        return StreamsContext.of_streams(model, ids(2, 5), *values, *flags).packing is not None

    assert packed(attention_mask=mask)
    assert packed(input_mask=1 - mask)
    whole = _everything(model)
    for name in ("mems", "perm_mask", "target_mapping"):
        assert not packed(attention_mask=mask, **{name: whole[name]})
    assert not packed(attention_mask=mask, head_mask=torch.ones(4))
    assert not packed(attention_mask=mask, output_attentions=True)
