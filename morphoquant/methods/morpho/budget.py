"""A budget: of the options of all channels, those with the least total cost whose mean share fits.

    min sum_k cost[o_k, k]   subject to   mean_k share[o_k, k] <= budget

A price on the share makes the channels independent; the smallest price at which the budget holds is found by bisection, and
what it leaves over goes to the channels that are worth exactly that price. No other choice that takes no larger share costs
less.

Source: Everett 1963, Generalized Lagrange multiplier method, theorem 1, for what is said of the optimum.
"""

import torch
from torch import Tensor

_STEPS = 100


def affordable(cost: Tensor, share: Tensor, budget: float) -> Tensor:
    """The best option of each channel within the budget.

    Args:
        cost: of each option of each channel [options, K]; infinite for none.
        share: from 0 to 1 [options, K]; each channel has an option of share 0 and finite cost.
        budget: largest mean share over all channels.

    Returns:
        Index of the option of each channel [K], int64. Of options that cost the same, that of the least share is taken, then
        the first.
    """
    cost, share = cost.double(), share.double()
    channels = torch.arange(cost.shape[1])

    def chosen(price: float) -> Tensor:
        total = cost + price * share
        # numpy's argmin returns the first of equal values, torch's may return any.
        return torch.from_numpy(torch.where(total == total.amin(0), share, torch.inf).numpy().argmin(0))

    def used(index: Tensor) -> float:
        return float(share[index, channels].mean())

    generous = chosen(0.0)
    if not len(channels) or used(generous) <= budget:
        return generous
    low, high = 0.0, _largest_price(cost, share)
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5 if low > 0 else high / 1024
        if not low < middle < high:
            break
        low, high = (low, middle) if used(chosen(middle)) <= budget else (middle, high)
    return _filled(chosen(high), chosen(low), share, budget)


def _largest_price(cost: Tensor, share: Tensor) -> float:
    """A price at which every channel takes an option of share 0."""
    free = torch.where(share == 0, cost, torch.inf).amin(0)
    gain = (free - cost).clamp_min(0) / torch.where(share > 0, share, torch.inf)
    return 2 * float(gain.amax())


def _filled(thrifty: Tensor, generous: Tensor, share: Tensor, budget: float) -> Tensor:
    """Changes channels from one choice to the other, those that take least first, as long as the budget holds."""
    channels = torch.arange(share.shape[1])
    more = share[generous, channels] - share[thrifty, channels]
    left = (budget - float(share[thrifty, channels].mean())) * len(channels)
    index = thrifty.clone()
    for place in more.argsort(stable=True).tolist():
        if 0 < more[place] <= left:
            index[place] = generous[place]
            left -= float(more[place])
    return index
