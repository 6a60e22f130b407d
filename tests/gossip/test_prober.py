"""The prober: everybody is asked in turn, and silence has to be noticed twice."""

from hypothesis import given
from hypothesis import strategies as st

from mesh.gossip.prober import Ask, AskHelpers, NoAnswer, Prober, Repeat, Verdict
from mesh.gossip.relays import RELAYS_MAX
from mesh.gossip.roster import Roster
from mesh.gossip.suspicions import shortest
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
                    core.answered(step.target, step.probe, core.deadline())
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
    core.answered(ask.target, ask.probe, at + 0.1)
    assert all(isinstance(step, Ask) for step in core.tick(at + CONFIG.probe_interval_s))


def test_an_answer_to_another_question_or_from_another_member_is_none() -> None:
    core = prober(roster("ada", "bob"))
    ask, at = first_ask(core)
    core.answered(ask.target, ask.probe - 1, at)
    core.answered(node("cyd"), ask.probe, at)
    assert Verdict(node("bob"), Standing.SUSPECT) in drive(core, at + CONFIG.probe_interval_s)


def drive(core: Prober, until: float) -> list[Verdict]:
    """What a prober finds up to a moment, with nobody answering."""
    found: list[Verdict] = []
    while core.deadline() <= until:
        found += [step for step in core.tick(core.deadline()) if isinstance(step, Verdict)]
        core.check()
    return found


DOWN = Verdict(node("bob"), Standing.DOWN)
PATIENCE_S = 2 * shortest(CONFIG, 2)  # Where nobody can confirm it.


def suspicious() -> tuple[Roster, Prober, float]:
    known = roster("ada", "bob")
    core = prober(known)
    drive(core, 10.0)
    known.hear(accusation("bob", standing=Standing.SUSPECT), 10.0)
    core.watch(node("bob"), 10.0)
    return known, core, 10.0 + PATIENCE_S


def test_a_suspect_is_down_after_the_suspicion_and_not_before() -> None:
    _, core, until = suspicious()
    assert DOWN not in drive(core, until - 0.01)
    assert core.deadline() <= until
    assert DOWN in drive(core, until)
    assert DOWN not in drive(core, until + 5)


def test_a_refutation_ends_the_suspicion() -> None:
    known, core, until = suspicious()
    known.hear(signed("bob", counter=1), 11.0)
    core.watch(node("bob"), 11.0)
    assert DOWN not in drive(core, until + 5)


def test_the_same_suspicion_heard_again_starts_no_new_clock() -> None:
    _, core, until = suspicious()
    drive(core, until - 0.1)
    core.watch(node("bob"), until - 0.1)
    assert DOWN in drive(core, until)


def test_a_suspicion_of_a_newer_claim_starts_a_new_clock() -> None:
    known, core, until = suspicious()
    known.hear(signed("bob", counter=1), 11.0)
    known.hear(accusation("bob", counter=1, standing=Standing.SUSPECT), 11.0)
    core.watch(node("bob"), 11.0)
    assert DOWN not in drive(core, until)
    assert DOWN in drive(core, 11.0 + PATIENCE_S)


def test_time_in_which_nothing_ran_counts_against_nobody() -> None:
    _, core, until = suspicious()
    assert DOWN not in core.tick(until + 30.0)
    assert core.health.score > 0


def test_members_that_others_suspect_are_probed_at_once_by_a_few() -> None:
    names = tuple(f"n{number}" for number in range(40))
    asked_by = 0
    for seed in range(200):
        core = prober(roster("ada", *names), seed)
        asked_by += len(core.weigh_in(node("n7"), 1.0))
        core.check()
    assert 0.5 * CONFIG.confirm_fanout < asked_by / 5 < 2 * CONFIG.confirm_fanout


def test_a_confirmation_is_silence_of_the_suspect_and_its_answer_is_none() -> None:
    core = prober(roster(*NAMES))
    (ask,) = core.visit(node("bob"), 1.0)
    assert core.visit(node("bob"), 1.0) == []
    (verdict,) = [step for step in core.tick(core.deadline()) if isinstance(step, Verdict)] or drive(core, 1.5)
    assert verdict == Verdict(node("bob"), Standing.SUSPECT)
    (ask,) = core.visit(node("bob"), 2.0)
    core.answered(node("bob"), ask.probe, 2.1)
    said = [entry.said for entry in core.evidence.about(node("bob"))]
    assert said[-2:] == ["did not answer our own probe", "answered our own probe of a suspect"]


def test_a_member_that_nobody_answers_in_time_finds_nobody_down() -> None:
    known = roster(*NAMES)
    core = prober(known)
    known.hear(accusation("bob", standing=Standing.SUSPECT), 0.0)
    core.watch(node("bob"), 0.0)
    assert DOWN not in drive(core, 30.0)
    assert core.health.score == CONFIG.health_max


def test_a_member_in_poor_health_removes_nobody_whom_it_alone_suspects_and_says_so_again() -> None:
    known = roster(*NAMES)
    core = prober(known)
    core.health.worse(CONFIG.health_max)
    known.hear(accusation("bob", standing=Standing.SUSPECT), 0.0)
    core.watch(node("bob"), 0.0)
    until = shortest(CONFIG, len(NAMES)) * CONFIG.suspicion_spread
    drive(core, until - 0.2)
    (ask,) = core.visit(node("cyd"), until - 0.2)
    core.answered(ask.target, ask.probe, until - 0.1)  # It hears somebody, so that it is not simply cut off.
    steps = core.tick(until)
    assert Repeat(node("bob")) in steps
    assert DOWN not in steps


def test_helpers_that_had_no_answer_either_speak_well_of_this_member() -> None:
    core = prober(roster(*NAMES))
    ask, at = first_ask(core)
    (asked,) = core.tick(at + CONFIG.probe_timeout_s)
    for _ in asked.helpers:
        core.nacked(ask.target, ask.probe, at + 0.9)
    assert Verdict(ask.target, Standing.SUSPECT) in core.tick(at + CONFIG.probe_interval_s)
    assert core.health.score == 0


def test_a_helper_says_once_that_it_had_no_answer() -> None:
    core = prober(roster(*NAMES))
    core.relay(node("bob"), 77, node("cyd"), 0.0)
    told = [step for _ in range(5) for step in core.tick(core.deadline()) if isinstance(step, NoAnswer)]
    assert told == [NoAnswer(node("cyd"), 77, node("bob"))]


def test_an_unreachable_port_on_a_machine_that_answers_is_a_suspicion_at_once() -> None:
    core = prober(roster(*NAMES))
    assert core.refused(node("bob"), 1.0) == [Verdict(node("bob"), Standing.SUSPECT)]


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
    assert core.answered(ask.target, ask.probe, 1.1) == (node("bob"), 77)
    assert core.answered(ask.target, ask.probe, 1.1) is None


def test_relays_are_bounded_and_forgotten() -> None:
    core = prober(roster(*NAMES))
    found = [core.relay(node("bob"), number, node("cyd"), 1.0) for number in range(RELAYS_MAX + 3)]
    assert found[RELAYS_MAX:] == [None] * 3
    core.check()
    assert core.relay(node("bob"), 0, node("cyd"), 1.0 + CONFIG.probe_interval_s) is not None


def test_of_all_that_is_due_a_lapse_ends_suspicions_alone() -> None:
    known = roster(*NAMES)
    core = prober(known)
    known.hear(accusation("bob", standing=Standing.SUSPECT), 0.0)
    core.watch(node("bob"), 0.0)
    at = core.lapses_at
    asked(core, 1)
    assert core.deadline() < at
    assert [step for step in core.lapse(at) if isinstance(step, Ask)] == []
    assert core.deadline() < at


@given(st.sampled_from([32, 128]), st.integers(0, 2**32), st.floats(0.0, 200.0))
def test_who_answers_through_helpers_alone_is_out_of_earshot_within_two_rounds_and_six_periods(
    members: int, seed: int, begins: float
) -> None:
    core = prober(roster("ada", *(f"n{number}" for number in range(members - 1))), seed)
    deaf, now = node("n7"), 0.0
    while not core.earshot.out_of(deaf):
        now = core.deadline()
        for step in core.tick(now):
            if isinstance(step, Ask) and (step.target != deaf or now < begins):
                core.answered(step.target, step.probe, now)
                core.earshot.answered(step.target)
            if isinstance(step, AskHelpers):
                core.answered(step.target, step.probe, now + 0.1)
            assert not isinstance(step, Verdict)
        core.check()
    assert now <= begins + (2 * members + 6) * CONFIG.probe_interval_s
