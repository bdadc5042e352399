"""A fresh process on demand, in virtual time: no death, no restart, and nobody else is touched."""

from supervisor.specs import Strategy
from tests.supervisor.test_tree import World, group, told


class Recycling(World):
    def recycle(self, name: str) -> str:
        return told(self.tree.recycle(name, self.now))


def test_it_is_stopped_and_then_started() -> None:
    world = Recycling(group("pool", "a", "b"))
    world.begin_ready()
    assert world.recycle("a") == "stop a"
    assert world.states() == "a stopping, b ready"
    assert world.leaves("a") == "start a"
    world.ready("a")
    assert world.states() == "a ready, b ready"


def test_it_is_no_death_however_often_and_however_it_ends() -> None:
    world = Recycling(group("pool", "a", intensity=0))
    world.begin_ready()
    for _ in range(10):
        world.recycle("a")
        assert world.dies("a") == "start a"
        world.ready("a")
    assert world.tree["a"].restarts == 0
    assert world.states() == "a ready"


def test_a_successor_that_dies_is_a_death() -> None:
    world = Recycling(group("pool", "a", intensity=1))
    world.begin_ready()
    world.recycle("a")
    world.leaves("a")
    assert world.dies("a") == "start a"
    assert world.tree["a"].restarts == 1
    assert world.dies("a") == "degrade a"


def test_whoever_is_not_ready_is_left_alone() -> None:
    world = Recycling(group("pool", "a"))
    world.begin()
    assert world.recycle("a") == ""
    world.settle()
    world.tree.stalled("a", "hangs", world.now)
    assert world.recycle("a") == "", "it is being killed already"


def test_those_that_depend_on_it_go_with_it_in_order() -> None:
    world = Recycling(group("pool", "a", "b", "c", strategy=Strategy.REST_FOR_ONE))
    world.begin_ready()
    assert world.recycle("b") == "stop c"
    assert world.leaves("c") == "stop b"
    assert world.leaves("b") == "start b, start c"
    assert world.states() == "a ready, b starting, c starting"


def test_a_system_that_stops_does_not_start_it_again() -> None:
    world = Recycling(group("pool", "a"))
    world.begin_ready()
    world.recycle("a")
    world.tree.finish(world.now)
    assert world.leaves("a") == ""
    assert world.tree.finished
