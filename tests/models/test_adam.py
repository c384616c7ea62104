"""Adam moves what is touched, and as the paper says."""

from __future__ import annotations

import numpy as np

from negprep.models.gmf import Adam, Factors, Gradients


def plain(values, slopes, rate):
    """Algorithm 1 of Kingma and Ba, for one parameter, one slope a step."""
    mean = square = 0.0
    for step, slope in enumerate(slopes, start=1):
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        values -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return values


def test_each_row_is_that_of_the_paper_in_its_own_steps():
    random = np.random.default_rng(1)
    model = Factors(random.normal(size=(3, 2)), random.normal(size=(4, 2)), random.normal(size=2))
    before = model.copy()
    optimiser = Adam(model, 0.05)
    touched = [np.array([0, 2]), np.array([2]), np.array([0, 2]), np.array([2])]
    by_users = [random.normal(size=(len(rows), 2)) for rows in touched]
    by_items, by_h = random.normal(size=(4, 4, 2)), random.normal(size=(4, 2))
    for step, rows in enumerate(touched):
        optimiser.step(Gradients(rows, by_users[step], np.arange(4), by_items[step], by_h[step]))
    for factor in range(2):
        np.testing.assert_allclose(model.h[factor], plain(before.h[factor], by_h[:, factor], 0.05))
        for row in range(4):
            np.testing.assert_allclose(
                model.items[row, factor], plain(before.items[row, factor], by_items[:, row, factor], 0.05)
            )
        of_2 = [slopes[-1, factor] for slopes in by_users]
        np.testing.assert_allclose(model.users[2, factor], plain(before.users[2, factor], of_2, 0.05))
        of_0 = [by_users[0][0, factor], by_users[2][0, factor]]
        np.testing.assert_allclose(model.users[0, factor], plain(before.users[0, factor], of_0, 0.05))
    assert (model.users[1] == before.users[1]).all()
