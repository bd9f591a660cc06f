"""Windows of SQuAD as tensors of PyTorch."""

from __future__ import annotations

import pytest
import torch

from tx_data import SquadExample, squad_convert_examples_to_features
from tx_tokenizers import WordPieceTokenizer


@pytest.mark.parametrize("training", [False, True])
def test_the_tensors_stand_in_the_order_of_2019(tokenizer: WordPieceTokenizer, training: bool) -> None:
    example = SquadExample("q1", "Who ran?", "The cat sat on the mat. A dog ran.", "dog", 26, "Pets")
    features, dataset = squad_convert_examples_to_features(
        [example], tokenizer, 14, 5, 4, training, return_dataset="pt"
    )
    columns = dataset.tensors
    inputs = torch.tensor([[each.input_ids, each.attention_mask, each.token_type_ids] for each in features])
    assert torch.equal(torch.stack(columns[:3], 1), inputs)
    p_mask = torch.tensor([each.p_mask for each in features], dtype=torch.float)
    if training:
        positions = [[each.start_position, each.end_position, each.cls_index] for each in features]
        assert torch.equal(torch.stack(columns[3:6], 1), torch.tensor(positions))
        assert torch.equal(columns[6], p_mask)
        assert columns[7].tolist() == [float(each.is_impossible) for each in features]
        assert len(columns) == 8
    else:
        assert columns[3].tolist() == [*range(len(features))]
        assert columns[4].tolist() == [0] * len(features)
        assert torch.equal(columns[5], p_mask)
        assert len(columns) == 6
