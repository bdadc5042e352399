"""What the system lacks, as the tree knows it."""

from types import SimpleNamespace
from typing import cast

import pytest

from config.schema import Asterisk, Settings
from supervisor import status
from supervisor.children import Children
from supervisor.specs import POOLS, house
from supervisor.tree import Start, Tree

BRANCH = "call-control.branch"


def lacking(ready: set[str]) -> list[str]:
    """With these actors ready and all others starting."""
    tree = Tree(house(Settings(more_asterisks={"branch": Asterisk(host="10.0.0.5")})))
    actions = tree.begin(0.0)
    for name in ("nursery", *(f"{role}.{number}" for role in POOLS for number in (1, 2)), "call-control", BRANCH):
        if name in tree and (name in ready or not name.startswith("call-control")):
            actions += tree.ready(name, 1.0)
    assert any(isinstance(action, Start) for action in actions)
    return status.lacking(cast(Children, SimpleNamespace(tree=tree)))


@pytest.mark.parametrize(
    ("ready", "lacks"),
    [
        ({"call-control", BRANCH}, []),
        ({"call-control"}, [BRANCH]),
        (set(), ["call-control", BRANCH]),
    ],
)
def test_no_call_control_stands_in_for_that_of_another_asterisk(ready: set[str], lacks: list[str]) -> None:
    assert lacking(ready) == lacks
