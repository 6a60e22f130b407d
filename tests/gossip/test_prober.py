"""The prober: everybody is asked in turn, and silence has to be noticed twice."""

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh.gossip.prober import RELAYS_MAX, Ask, AskHelpers, Prober, Verdict
from mesh.gossip.roster import Roster
from mesh.ids import NodeId
from mesh.messages import Standing
from tests.gossip.circle import CONFIG, NAMES, accusation, node, rng, roster, signed


def prober(known: Roster, seed: int = 1) -> Prober:
    return Prober(known, CONFIG, rng(seed), 0.0)


def asked(core: Prober, periods: int, answers: bool = True) -> list[NodeId]:
    """Whom a prober asks in so many periods."""
    found: list[NodeId] = []
    for _ in range(periods):
        for step in core.tick(core.deadline()):
            if isinstance(step, Ask):
                found.append(step.target)
                if answers:
                    core.answered(step.target, step.probe)
        core.check()
    return found


@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(1, 3))
def test_each_member_is_asked_once_per_round(seed: int, members: int, rounds: int) -> None:
    core = prober(roster(*NAMES[: members + 1]), seed)
    everybody = sorted(map(node, NAMES[1 : members + 1]))
    for _ in range(rounds):
        assert sorted(asked(core, members)) == everybody


def test_nobody_is_asked_where_nobody_is() -> None:
    core = prober(roster("ada"))
    assert core.tick(core.deadline()) == []


def first_ask(core: Prober) -> tuple[Ask, float]:
    at = core.deadline()
    (ask,) = core.tick(at)
    assert isinstance(ask, Ask)
    return ask, at


def test_helpers_are_asked_after_the_time_out_and_once() -> None:
    core = prober(roster(*NAMES))
    ask, at = first_ask(core)
    assert core.tick(at + CONFIG.probe_timeout_s - 0.01) == []
    assert core.deadline() == at + CONFIG.probe_timeout_s
    (helpers,) = core.tick(at + CONFIG.probe_timeout_s)
    assert isinstance(helpers, AskHelpers)
    assert (helpers.target, helpers.probe) == (ask.target, ask.probe)
    assert ask.target not in helpers.helpers
    assert len(set(helpers.helpers)) == CONFIG.indirect_probes
    assert core.tick(at + CONFIG.probe_timeout_s + 0.1) == []


def test_silence_to_the_end_of_the_period_makes_a_suspect() -> None:
    core = prober(roster("ada", "bob"))
    _, at = first_ask(core)
    core.tick(at + CONFIG.probe_timeout_s)
    verdict, again = core.tick(at + CONFIG.probe_interval_s)
    assert verdict == Verdict(node("bob"), Standing.SUSPECT)
    assert isinstance(again, Ask)


def test_an_answer_in_time_is_no_silence() -> None:
    core = prober(roster("ada", "bob"))
    ask, at = first_ask(core)
    core.answered(ask.target, ask.probe)
    assert all(isinstance(step, Ask) for step in core.tick(at + CONFIG.probe_interval_s))


def test_an_answer_to_another_question_or_from_another_member_is_none() -> None:
    core = prober(roster("ada", "bob"))
    ask, at = first_ask(core)
    core.answered(ask.target, ask.probe - 1)
    core.answered(node("cyd"), ask.probe)
    assert Verdict(node("bob"), Standing.SUSPECT) in core.tick(at + CONFIG.probe_interval_s)


def suspicious(counter: int = 0) -> tuple[Roster, Prober, float]:
    known = roster("ada", "bob")
    core = prober(known)
    known.hear(accusation("bob", counter, standing=Standing.SUSPECT), 10.0)
    core.watch(node("bob"), 10.0)
    return known, core, 10.0 + core.suspicion_s()


def test_a_suspect_is_down_after_the_suspicion_and_not_before() -> None:
    _, core, until = suspicious()
    down = Verdict(node("bob"), Standing.DOWN)
    assert down not in core.tick(until - 0.01)
    assert core.deadline() <= until
    assert down in core.tick(until)
    assert down not in core.tick(until + 5)


def test_a_refutation_ends_the_suspicion() -> None:
    known, core, until = suspicious()
    known.hear(signed("bob", counter=1), 11.0)
    core.watch(node("bob"), 11.0)
    assert Verdict(node("bob"), Standing.DOWN) not in core.tick(until + 5)


def test_the_same_suspicion_heard_again_starts_no_new_clock() -> None:
    _, core, until = suspicious()
    core.watch(node("bob"), until - 0.1)
    assert Verdict(node("bob"), Standing.DOWN) in core.tick(until)


def test_a_suspicion_of_a_newer_claim_starts_a_new_clock() -> None:
    known, core, until = suspicious()
    known.hear(signed("bob", counter=1), 11.0)
    known.hear(accusation("bob", counter=1, standing=Standing.SUSPECT), 12.0)
    core.watch(node("bob"), 12.0)
    assert Verdict(node("bob"), Standing.DOWN) not in core.tick(until)
    assert Verdict(node("bob"), Standing.DOWN) in core.tick(12.0 + core.suspicion_s())


@given(st.integers(1, 2_000))
@settings(max_examples=20, deadline=None)
def test_suspicion_grows_with_the_logarithm_of_the_mesh(members: int) -> None:
    known = roster("ada", *(f"n{number}" for number in range(members % 40)))
    periods = prober(known).suspicion_s() / CONFIG.probe_interval_s
    assert CONFIG.suspicion_factor <= periods <= CONFIG.suspicion_factor * 2


def test_a_member_whose_stream_broke_is_asked_next() -> None:
    core = prober(roster(*NAMES))
    for name in ("eve", "bob"):
        core.hurry(node(name))
        core.hurry(node(name))
    core.hurry(node("somebody unknown"))
    assert asked(core, 2) == [node("eve"), node("bob")]


def test_a_member_that_went_down_is_not_asked() -> None:
    known = roster(*NAMES)
    core = prober(known)
    asked(core, 1)
    known.hear(accusation("dan"), 1.0)
    assert node("dan") not in asked(core, 10)


def test_a_helper_answers_the_member_that_asked_and_only_it() -> None:
    core = prober(roster(*NAMES))
    ask = core.relay(node("bob"), 77, node("cyd"), 1.0)
    relay = core.answered(ask.target, ask.probe)
    assert (relay.requester, relay.probe, relay.target) == (node("bob"), 77, node("cyd"))
    assert core.answered(ask.target, ask.probe) is None


def test_relays_are_bounded_and_forgotten() -> None:
    core = prober(roster(*NAMES))
    found = [core.relay(node("bob"), number, node("cyd"), 1.0) for number in range(RELAYS_MAX + 3)]
    assert found[RELAYS_MAX:] == [None] * 3
    core.check()
    assert core.relay(node("bob"), 0, node("cyd"), 1.0 + CONFIG.probe_interval_s) is not None
