"""The memory of keys and values, in TensorFlow."""

import numpy as np
import tensorflow as tf

from tx_core.generation.generate_tf import KeyValueMemory, capacity


def test_capacity_is_a_power_of_two() -> None:
    assert [capacity(n) for n in (1, 64, 65, 128, 1000, 1025)] == [64, 64, 128, 128, 1024, 2048]


def test_memory_holds_the_prompts_and_moves_rows() -> None:
    mask = np.array([[False, True, True], [True, True, True]])
    presents = [tf.random.stateless_normal((2, 2, 4, 3, 8), (seed, 0)) for seed in range(2)]
    memory = KeyValueMemory(presents, mask, total=6, times=2)
    assert memory.length == 3
    assert memory.padding.numpy().tolist() == [[1], [1], [0], [0]]
    assert memory.allowed.shape == (4, 64)
    assert memory.allowed.numpy()[:, :3].tolist() == np.repeat(mask, 2, 0).tolist()
    variables = memory.variables
    memory.reorder(np.array([1, 1, 3, 2]))
    assert memory.variables is variables
    for layer, (keys, values) in enumerate(variables):
        for which, variable in enumerate((keys, values)):
            wanted = np.repeat(presents[layer][which], 2, 0)[[1, 1, 3, 2]]
            np.testing.assert_array_equal(variable.numpy()[:, :, :3], wanted)
            assert not variable.numpy()[:, :, 3:].any()
