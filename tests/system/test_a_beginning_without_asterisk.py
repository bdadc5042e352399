"""The service starts, and stays, while Asterisk cannot be reached or does not let it in. It says so, and waits."""

from itertools import pairwise

from bench.system import PASSWORD
from tests.system.guest import calls
from tests.system.house import House


async def test_it_runs_says_what_is_wrong_and_connects_as_soon_as_it_can(strict: House) -> None:
    await strict.asterisk.stop_listening()
    problem = await strict.problem("cannot reach Asterisk")
    assert "is it running" in problem
    assert "`enabled=yes`" in problem
    status = await strict.status()
    assert status.ready, "it serves whoever comes without Asterisk's interface"
    assert status.problems == (problem,)

    strict.asterisk.password = "another"
    await strict.asterisk.start()
    problem = await strict.problem("does not take the password")
    assert "asterisk.password" in problem
    assert PASSWORD not in problem.replace("'demo'", "")

    await strict.asterisk.stop_listening()
    strict.asterisk.password = PASSWORD
    await strict.asterisk.start()
    await strict.takes_calls()
    told = [line.partition(" ERROR call-control ")[2] for line in strict.system.log()]
    assert all(one != another for one, another in pairwise(filter(None, told))), "once for each change, not each try"
    await (await calls(strict)).hangs_up()
