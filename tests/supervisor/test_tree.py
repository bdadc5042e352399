"""Supervision in virtual time: hours of crashes, and who is started, stopped or given up."""

from collections.abc import Sequence

from supervisor.specs import ChildSpec, Group, Restart, Strategy
from supervisor.tree import Action, Degrade, Kill, Start, State, Stop, Tree


def group(
    name: str = "pool",
    *names: str,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    restart: Restart = Restart.PERMANENT,
    intensity: int = 2,
    waits: bool = False,
) -> Group:
    return Group(
        name=name,
        strategy=strategy,
        children=tuple(ChildSpec(name=child, role=name, module="none", restart=restart) for child in names),
        intensity=intensity,
        period_s=60.0,
        cool_down_s=300.0,
        waits=waits,
    )


def told(actions: Sequence[Action]) -> str:
    """As in "start a, stop b, kill c, degrade d"."""
    words = []
    for action in actions:
        match action:
            case Start(spec):
                words.append(f"start {spec.name}")
            case Stop(name):
                words.append(f"stop {name}")
            case Kill(name, _):
                words.append(f"kill {name}")
            case Degrade(name, _):
                words.append(f"degrade {name}")
    return ", ".join(words)


class World:
    """A tree, its clock, and children that do what they are told at once unless a test says otherwise."""

    def __init__(self, *groups: Group) -> None:
        self.tree = Tree(groups)
        self.now = 1000.0

    def begin(self) -> str:
        return told(self.tree.begin(self.now))

    def begin_ready(self) -> "World":
        self.begin()
        self.settle()
        return self

    def settle(self) -> None:
        """Everybody who starts becomes ready."""
        while starting := [child.name for child in self.tree if child.state is State.STARTING]:
            for name in starting:
                self.tree.ready(name, self.now)

    def ready(self, name: str) -> str:
        return told(self.tree.ready(name, self.now))

    def dies(self, name: str) -> str:
        return told(self.tree.ended(name, abnormal=True, reason="killed by SIGSEGV", now=self.now))

    def gives_up(self, name: str) -> str:
        reason = "there is no model"
        return told(self.tree.ended(name, abnormal=True, reason=reason, now=self.now, hopeless=True))

    def leaves(self, name: str) -> str:
        return told(self.tree.ended(name, abnormal=False, reason="exit code 0", now=self.now))

    def after(self, seconds: float) -> str:
        self.now += seconds
        return told(self.tree.look(self.now))

    def states(self) -> str:
        return ", ".join(f"{child.name} {child.state.value}" for child in self.tree)


# -- start


def test_children_are_started_from_left_to_right() -> None:
    assert World(group("stt", "s1", "s2"), group("llm", "l1")).begin() == "start s1, start s2, start l1"


def test_a_group_that_waits_is_started_when_all_on_its_left_is_ready() -> None:
    world = World(group("stt", "s1", "s2"), group("control", "c", waits=True))
    assert world.begin() == "start s1, start s2"
    assert world.ready("s2") == ""
    assert world.ready("s1") == "start c"


def test_a_group_that_waits_does_not_wait_for_one_that_has_failed_to_start() -> None:
    world = World(group("stt", "s1"), group("control", "c", waits=True))
    world.begin()
    assert world.dies("s1") == "start s1, start c"


def test_a_group_that_waited_once_does_not_wait_again() -> None:
    world = World(group("stt", "s1"), group("control", "c", waits=True)).begin_ready()
    assert world.dies("s1") == "start s1"
    assert world.dies("c") == "start c"


# -- restart types


def test_a_permanent_child_is_started_again_however_it_ended() -> None:
    world = World(group("pool", "a")).begin_ready()
    assert world.leaves("a") == "start a"
    assert world.dies("a") == "start a"


def test_a_transient_child_is_started_again_only_if_it_ended_abnormally() -> None:
    world = World(group("pool", "a", "b", restart=Restart.TRANSIENT)).begin_ready()
    assert world.dies("a") == "start a"
    assert world.leaves("b") == ""
    assert world.states() == "a starting, b down"


def test_a_temporary_child_is_never_started_again() -> None:
    world = World(group("pool", "a", restart=Restart.TEMPORARY)).begin_ready()
    assert world.dies("a") == ""
    assert world.states() == "a down"


# -- strategies


def test_one_for_one_restarts_the_child_that_died() -> None:
    assert World(group("pool", "a", "b", "c")).begin_ready().dies("b") == "start b"


def test_rest_for_one_stops_those_on_the_right_from_right_to_left_and_starts_all_from_left_to_right() -> None:
    world = World(group("pool", "a", "b", "c", "d", strategy=Strategy.REST_FOR_ONE)).begin_ready()
    assert world.dies("b") == "stop d"
    assert world.states() == "a ready, b restarting, c ready, d stopping"
    assert world.leaves("d") == "stop c"
    assert world.leaves("c") == "start b, start c, start d"
    assert world.tree["b"].restarts == 1
    assert (world.tree["c"].restarts, world.tree["d"].restarts) == (0, 0)


def test_rest_for_one_with_a_second_death_on_the_left_while_the_right_is_being_stopped() -> None:
    world = World(group("pool", "a", "b", "c", strategy=Strategy.REST_FOR_ONE)).begin_ready()
    assert world.dies("b") == "stop c"
    assert world.dies("a") == ""
    assert world.leaves("c") == "start a, start b, start c"


def test_rest_for_one_does_not_stop_whoever_has_died_by_itself_meanwhile() -> None:
    world = World(group("pool", "a", "b", "c", strategy=Strategy.REST_FOR_ONE, intensity=5)).begin_ready()
    assert world.dies("a") == "stop c"
    assert world.dies("b") == ""
    assert world.dies("c") == "start a, start b, start c"


def test_the_children_of_other_groups_are_left_alone() -> None:
    left = group("left", "a", "b", strategy=Strategy.REST_FOR_ONE)
    world = World(left, group("right", "c")).begin_ready()
    assert world.dies("a") == "stop b"
    assert world.tree["c"].state is State.READY


# -- intensity and period


def test_as_many_restarts_as_the_intensity_says_are_allowed_within_the_period_and_one_more_degrades() -> None:
    world = World(group("pool", "a", intensity=2)).begin_ready()
    assert world.dies("a") == "start a"
    world.after(10)
    assert world.dies("a") == "start a"
    world.after(10)
    assert world.dies("a") == "degrade a"
    assert world.states() == "a degraded"
    assert world.tree["a"].note == "more than 2 restarts in 60 s; the last: a: killed by SIGSEGV"


def test_a_child_that_says_that_it_cannot_work_is_given_up_at_once_and_tried_again_after_the_cool_down() -> None:
    world = World(group("pool", "a", "b", intensity=2)).begin_ready()
    assert world.gives_up("a") == "degrade a"
    assert world.states() == "a degraded, b ready"
    assert world.tree["a"].note == "there is no model"
    assert world.after(299) == ""
    assert world.after(1) == "start a"


def test_one_that_cannot_work_uses_up_no_restarts_of_the_others() -> None:
    world = World(group("pool", "a", "b", intensity=1)).begin_ready()
    for _ in range(5):
        assert world.gives_up("a") == "degrade a"
        world.after(300)
        world.settle()
    assert world.dies("b") == "start b"


def test_deaths_that_lie_back_further_than_the_period_do_not_count() -> None:
    world = World(group("pool", "a", intensity=2)).begin_ready()
    for _ in range(1000):
        assert world.dies("a") == "start a"
        world.after(31)


def test_the_other_children_of_a_degraded_pool_serve_on() -> None:
    world = World(group("pool", "a", "b", intensity=0)).begin_ready()
    assert world.dies("a") == "degrade a"
    assert world.tree.capacity("pool") == 1
    assert world.states() == "a degraded, b ready"


def test_a_degraded_pool_takes_nobody_else_down() -> None:
    world = World(group("stt", "s", intensity=0), group("llm", "l"), group("control", "c", waits=True)).begin_ready()
    assert world.dies("s") == "degrade s"
    assert world.states() == "s degraded, l ready, c ready"
    assert world.tree.capacity("stt") == 0


def test_in_rest_for_one_whoever_depends_on_the_degraded_child_stays_down_with_it() -> None:
    pool = group("pool", "a", "b", "c", strategy=Strategy.REST_FOR_ONE, intensity=0)
    world = World(pool).begin_ready()
    assert world.dies("b") == "degrade b, degrade c, stop c"
    assert world.leaves("c") == ""
    assert world.states() == "a ready, b degraded, c degraded"
    assert world.after(300) == "start b, start c"


def test_after_the_cool_down_a_degraded_child_is_tried_again_with_a_full_allowance() -> None:
    world = World(group("pool", "a", intensity=1)).begin_ready()
    assert [world.dies("a"), world.dies("a")] == ["start a", "degrade a"]
    assert world.after(299) == ""
    assert world.after(1) == "start a"
    world.settle()
    assert world.tree.capacity("pool") == 1
    assert [world.dies("a"), world.dies("a")] == ["start a", "degrade a"]


# -- children that live and do not work


def test_a_child_that_is_not_ready_in_time_is_killed_once_and_its_end_counts_as_a_death() -> None:
    world = World(group("pool", "a", intensity=0))
    world.begin()
    assert world.after(59) == ""
    assert world.after(1) == "kill a"
    assert world.after(1) == ""
    assert world.leaves("a") == "degrade a"
    assert world.tree["a"].note.endswith("not ready after 60 s")


def test_a_stalled_child_is_killed_and_started_again_with_the_stall_as_the_reason() -> None:
    world = World(group("pool", "a", restart=Restart.TRANSIENT)).begin_ready()
    assert told(world.tree.stalled("a", "no progress for 10 s", world.now)) == "kill a"
    assert told(world.tree.stalled("a", "no progress for 11 s", world.now)) == ""
    assert world.dies("a") == "start a"
    assert world.tree["a"].note == "no progress for 10 s"


def test_becoming_ready_after_having_been_killed_is_too_late() -> None:
    world = World(group("pool", "a"))
    world.begin()
    world.after(60)
    world.ready("a")
    assert world.tree.capacity("pool") == 0


# -- children that come and go


def dynamic(intensity: int = 2) -> Group:
    return group("audio", "audio", strategy=Strategy.SIMPLE_ONE_FOR_ONE, restart=Restart.TRANSIENT, intensity=intensity)


def test_a_simple_one_for_one_group_begins_without_children() -> None:
    world = World(dynamic(), group("control", "c", waits=True))
    assert world.begin() == "start c"


def test_children_are_added_from_the_template_and_forgotten_when_they_end() -> None:
    world = World(dynamic())
    world.begin()
    assert world.tree.add("audio", "audio.1", world.now).role == "audio"
    world.settle()
    assert world.states() == "audio.1 ready"
    assert world.leaves("audio.1") == ""
    assert world.states() == ""


def test_too_many_deaths_close_a_simple_one_for_one_group_for_the_cool_down() -> None:
    world = World(dynamic(intensity=2))
    world.begin()
    for number in range(4):
        world.tree.add("audio", f"audio.{number}", world.now)
    assert [world.dies("audio.0"), world.dies("audio.1")] == ["", ""]
    assert world.tree.admits("audio")
    assert world.dies("audio.2") == "degrade audio"
    assert not world.tree.admits("audio")
    assert world.states() == "audio.3 starting"
    world.after(299)
    assert not world.tree.admits("audio")
    world.after(1)
    assert world.tree.admits("audio")


def test_the_end_of_a_retired_child_is_no_death() -> None:
    world = World(dynamic(intensity=0))
    world.begin()
    world.tree.add("audio", "audio.1", world.now)
    world.tree.retire("audio.1")
    assert world.dies("audio.1") == ""
    assert world.tree.admits("audio")


# -- the end


def test_everything_is_stopped_from_right_to_left_one_at_a_time_and_the_dynamic_ones_together() -> None:
    world = World(group("nursery", "n"), dynamic(), group("stt", "s1", "s2"), group("control", "c")).begin_ready()
    for number in (1, 2):
        world.tree.add("audio", f"audio.{number}", world.now)
    world.settle()
    assert told(world.tree.finish(world.now)) == "stop c"
    assert world.leaves("c") == "stop s2"
    assert world.dies("s2") == "stop s1"
    assert world.leaves("s1") == "stop audio.1, stop audio.2"
    assert world.leaves("audio.2") == ""
    assert world.leaves("audio.1") == "stop n"
    assert not world.tree.finished
    assert world.leaves("n") == ""
    assert world.tree.finished


def test_nobody_is_restarted_during_the_end() -> None:
    world = World(group("left", "a"), group("right", "b")).begin_ready()
    assert told(world.tree.finish(world.now)) == "stop b"
    assert world.dies("a") == ""
    assert world.leaves("b") == ""
    assert world.tree.finished
    assert world.after(10_000) == ""


def test_an_end_in_the_middle_of_a_restart_starts_nobody() -> None:
    world = World(group("pool", "a", "b", "c", strategy=Strategy.REST_FOR_ONE)).begin_ready()
    assert world.dies("a") == "stop c"
    assert told(world.tree.finish(world.now)) == ""
    assert world.leaves("c") == "stop b"
    assert world.leaves("b") == ""
    assert world.tree.finished


def test_a_child_that_hangs_while_it_is_being_stopped_is_not_reported_as_stalled() -> None:
    world = World(group("pool", "a")).begin_ready()
    world.tree.finish(world.now)
    assert told(world.tree.stalled("a", "no progress", world.now)) == ""
