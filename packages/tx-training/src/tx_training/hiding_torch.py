"""The hiding of tokens for a masked language model, rare ones more often, as DistilBERT was trained.

That is XLM's way (Lample & Conneau 2019, https://arxiv.org/abs/1901.07291, section 3.3), after that of word2vec.
BERT's, which hides all alike, is ``tx_data.mask_tokens``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from tx_core.messages import quoted


def hiding_weights(counts: Tensor, smoothing: float = 0.7, special_ids: Sequence[int] = ()) -> Tensor:
    """How readily each token is hidden: its count to the power of -smoothing.

    Args:
        counts: (vocabulary,), how often each token is in the text; what is not there counts as if it were once.
        smoothing: at least 0, which hides all alike.
        special_ids: what is never hidden: special tokens.

    Returns:
        (vocabulary,) in float32.

    Raises:
        ValueError: if counts are no such numbers, or smoothing is negative.
    """
    if counts.dim() != 1 or not len(counts) or counts.is_complex() or bool((counts < 0).any()):
        raise ValueError(f"counts must be (vocabulary,), 0 or more each, not {tuple(counts.shape)} of {counts.dtype}")
    if not smoothing >= 0:
        raise ValueError(f"smoothing must be at least 0, not {quoted(smoothing)}")
    weights = counts.double().clamp(min=1.0) ** -smoothing
    weights[[*special_ids]] = 0.0
    return weights.float()


def hide_tokens(
    input_ids: Tensor,
    weights: Tensor,
    mask_token_id: int,
    *,
    attention_mask: Tensor | None = None,
    proportion: float = 0.15,
    shares: tuple[float, float, float] = (0.8, 0.1, 0.1),
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Hide tokens of a batch for a masked language model to find.

    Of all tokens but padding a proportion is drawn, rounded up, each as likely as its weight says and none twice.

    Args:
        input_ids: (B, S). They are not changed.
        weights: (vocabulary,), as :func:`hiding_weights` gives them; a token whose weight is 0 is never hidden, nor
            drawn as another token.
        mask_token_id: what stands for a hidden token.
        attention_mask: (B, S), 0 for padding.
        proportion: of the tokens that are drawn, from 0 to 1.
        shares: of these, those that become the mask token, that stay as they are, and that become another token by
            chance; their sum is 1.
        generator: of the random numbers, on the device of the ids; by default PyTorch's own.

    Returns:
        The ids with tokens hidden, and the labels: the ids that were drawn, -100 elsewhere, (B, S) both.

    Raises:
        ValueError: if a number is out of its range, or shapes do not fit.
    """
    if input_ids.dim() != 2:
        raise ValueError(f"input_ids must be (B, S), not {tuple(input_ids.shape)}")
    if not 0 <= proportion <= 1:
        raise ValueError(f"proportion must be from 0 to 1, not {quoted(proportion)}")
    if min(shares) < 0 or not math.isclose(sum(shares), 1.0, abs_tol=1e-6):
        raise ValueError(f"shares must be three numbers that add up to 1, not {quoted(shares)}")
    least, greatest = map(int, input_ids.aminmax()) if input_ids.numel() else (0, 0)
    if least < 0 or greatest >= len(weights):
        raise ValueError(f"input_ids has {least} to {greatest}, and weights those of {len(weights)} tokens alone")
    tokens = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    if tokens.shape != input_ids.shape:
        raise ValueError(
            f"attention_mask must be {tuple(input_ids.shape)}, as input_ids are, not {tuple(tokens.shape)}"
        )
    device = input_ids.device
    weights = weights.to(device)
    lots = (weights[input_ids] * (tokens != 0)).flatten()  # (B·S,)
    count = min(math.ceil(proportion * int((tokens != 0).sum())), int((lots > 0).sum()))
    hidden, labels = input_ids.flatten(), torch.full_like(input_ids, -100).flatten()
    if count:
        drawn = torch.multinomial(lots, count, generator=generator)
        kept = hidden[drawn]
        kind = torch.multinomial(torch.tensor(shares, device=device), count, replacement=True, generator=generator)
        known = (weights > 0).nonzero()[:, 0]
        others = known[torch.randint(len(known), (count,), generator=generator, device=device)]
        labels[drawn] = kept
        hidden = hidden.index_copy(
            0, drawn, torch.where(kind == 0, mask_token_id, torch.where(kind == 1, kept, others))
        )
    return hidden.view_as(input_ids), labels.view_as(input_ids)
