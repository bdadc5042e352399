"""Chaos: everything that can die, hang or run out does so under load, and the callers are asked what they heard.

    python -m bench.chaos [--calls 50] [--only NAME,...] [--repeat N] [--out out/chaos] [--json]

    module      holds
    fault       what a fault is: a name, a sentence of what should hold, its limits, how it is done
    deaths      kill -9 of every role, one at a time and all at once
    freezes     SIGSTOP for 10 s
    shortages   no memory, no shared memory, no descriptors
    upheavals   everybody hangs up, Asterisk goes away, the house is restarted
    talking     the engines of the pipeline, with a caller who talks
    harm        how a process is harmed, and healed
    scene       the system under load, and its way back to full strength
    small_shm   starts the system with a /dev/shm of its own
    heard       what the callers heard, and which limits that breaks; pure
    trial       one fault: strike, wait, ask the callers
    report      a line, the table, the files

All calls but those of `talking` are of the provider that gives callers their own voice back, so that the longest time
without it is the time until the system worked again, and what did not come back is what the agent did not hear.
"""
