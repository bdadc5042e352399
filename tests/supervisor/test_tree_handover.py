"""Those who live on from one program to the next, as the tree sees them."""

from supervisor.specs import Group, Strategy
from supervisor.tree import Kill, Start, State, Stop, Tree
from tests.supervisor.stage import group, puppet

AUDIO = Group("audio", Strategy.SIMPLE_ONE_FOR_ONE, (puppet("audio"),), intensity=1)


def test_finishing_spares_whoever_is_spared_at_the_time() -> None:
    serving = {"audio.1"}
    tree = Tree((AUDIO, group("stt", puppet("stt.1"))))
    tree.begin(0.0)
    tree.ready("stt.1", 1.0)
    for name in ("audio.1", "audio.2", "audio.3"):
        tree.add("audio", name, 1.0)
        tree.ready(name, 1.0)
    assert tree.finish(2.0, lambda name: name in serving) == [Stop("stt.1")]
    serving.add("audio.2")  # it takes a call over meanwhile
    assert tree.ended("stt.1", abnormal=False, reason="", now=3.0) == [Stop("audio.3")]
    assert not tree.finished
    assert tree.ended("audio.3", abnormal=False, reason="", now=4.0) == []
    assert tree.finished
    assert [child.name for child in tree if child.alive] == ["audio.1", "audio.2"]
    assert tree.finish(5.0) == [Stop("audio.1"), Stop("audio.2")], "after all, everybody"


def test_an_adopted_child_is_ready_and_is_not_started_again() -> None:
    tree = Tree((AUDIO, group("stt", puppet("stt.1"))))
    spec = tree.adopt("audio", "audio.7", 0.0)
    assert (spec.name, tree["audio.7"].state) == ("audio.7", State.READY)
    assert tree.begin(0.0) == [Start(puppet("stt.1"))]
    assert tree["audio.7"].state is State.READY
    assert tree.stalled("audio.7", "it is stopped", 1.0) == [Kill("audio.7", "it is stopped")]
    assert tree.ended("audio.7", abnormal=True, reason="killed", now=2.0) == []
    assert "audio.7" not in tree
