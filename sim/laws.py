"""Laws of chance: how long something takes, drawn again and again.

Invariant: a law draws nothing below 0, and from equal generators equal numbers in equal order.
"""

from collections.abc import Callable
from math import log
from random import Random
from typing import Annotated

from msgspec import Meta, Struct

from sim.quantities import Positive, Seconds, Span

Draw = Callable[[], float]


class _Law(Struct, frozen=True, forbid_unknown_fields=True, tag_field="law", kw_only=True):
    """How long something takes."""


class Constant(_Law, frozen=True, forbid_unknown_fields=True, tag="constant", kw_only=True):
    """Always the same."""

    value_s: Seconds


class Uniform(_Law, frozen=True, forbid_unknown_fields=True, tag="uniform", kw_only=True):
    """Anything between two bounds, all of it as likely."""

    least_s: Seconds
    most_s: Seconds


class Exponential(_Law, frozen=True, forbid_unknown_fields=True, tag="exponential", kw_only=True):
    """`least_s` plus a time without memory, `mean_s` long on average."""

    mean_s: Span
    least_s: Seconds = 0.0


class Normal(_Law, frozen=True, forbid_unknown_fields=True, tag="normal", kw_only=True):
    """The bell curve; what falls below `least_s` is drawn again, up to eight times, and then counts as `least_s`."""

    mean_s: Seconds
    deviation_s: Seconds
    least_s: Seconds = 0.0


class LogNormal(_Law, frozen=True, forbid_unknown_fields=True, tag="log-normal", kw_only=True):
    """The logarithm is normal: half lie below `median_s`, and `sigma` is the deviation of the natural logarithm."""

    median_s: Span
    sigma: Positive
    most_s: Annotated[Span | None, Meta(description="What is drawn above counts as this.")] = None


class Pareto(_Law, frozen=True, forbid_unknown_fields=True, tag="pareto", kw_only=True):
    """A heavy tail: more than x with probability (least_s / x) ^ shape. There is no mean where the shape is 1 or less."""

    least_s: Span
    shape: Positive
    most_s: Annotated[Span | None, Meta(description="What is drawn above counts as this.")] = None


class Weibull(_Law, frozen=True, forbid_unknown_fields=True, tag="weibull", kw_only=True):
    """More than x with probability exp(-(x / scale_s) ^ shape): life times. A shape below 1 has many short and few long ones."""

    scale_s: Span
    shape: Positive
    most_s: Annotated[Span | None, Meta(description="What is drawn above counts as this.")] = None


Law = Constant | Uniform | Exponential | Normal | LogNormal | Pareto | Weibull

REDRAWS_MAX = 8


def draws(law: Law, rng: Random) -> Draw:
    """A function that draws from `law`, in seconds."""
    match law:
        case Constant(value_s=value):
            return lambda: value
        case Uniform(least_s=least, most_s=most):
            width = most - least
            return lambda: least + width * rng.random()
        case Exponential(mean_s=mean, least_s=least):
            return lambda: least - mean * log(1.0 - rng.random())
        case Normal():
            return _normal(law, rng)
        case LogNormal(median_s=median, sigma=sigma):
            return _bounded(lambda: rng.lognormvariate(log(median), sigma), law.most_s)
        case Pareto(least_s=least, shape=shape):
            return _bounded(lambda: float(least * (1.0 - rng.random()) ** (-1.0 / shape)), law.most_s)
        case Weibull(scale_s=scale, shape=shape):
            return _bounded(lambda: rng.weibullvariate(scale, shape), law.most_s)


def _normal(law: Normal, rng: Random) -> Draw:
    def draw() -> float:
        for _ in range(REDRAWS_MAX):
            drawn = rng.gauss(law.mean_s, law.deviation_s)
            if drawn >= law.least_s:
                return drawn
        return law.least_s

    return draw


def _bounded(draw: Draw, most_s: float | None) -> Draw:
    if most_s is None:
        return draw
    return lambda: min(draw(), most_s)
