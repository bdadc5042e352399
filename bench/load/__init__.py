"""The load ladder: many callers on an exact 20 ms grid, and what each of them hears, measured by the kernel's clock.

    module        holds
    generator     the process that speaks and listens for all callers; one thread, real-time priority where allowed
    frames        what a caller says: marks, silence, speech
    sheet         what the generator writes down, in memory that the bench reads at any time
    orders        what the bench tells the generator, and back
    callers       the bench's side: start generators, add calls, hang up, ask what a caller heard
    stamps        arrival times by the kernel's clock
    figures       statistics over a time window, pure
    usage         CPU, memory and the machine's load, as the kernel counts them
    burner        neighbours that burn a core each
    unprivileged  the system without the right to be urgent
    venue         the real system, the stand-in Asterisk and the callers, all up, for one rung
    rung          one rung: bring calls up, measure, end; one JSON object
    criteria      what a rung is held to, and what bound it
    ladder        the standard rungs
    page, plots   the report as one HTML file

How other benches use it (chaos, capacity, soak), with `venue` and `Setting` from `bench.load.venue`, `measure` and
`Rung` from `bench.load.rung`:

    async with venue(Setting(calls=20, flow="ari")) as place:     # system + stand-in + callers, ready for calls
        place.system                            # bench.system.System: its bus, its process, its settings
        call = await place.call()               # one caller, by the setting's flow; returns at once
        await call.up(within=5.0)               # it hears the agent and may speak; TimeoutError, or callers.NotServed
        calls = await place.calls(20, each_s=0.1)      # or many of them, at a rate; waits until all are up
        begin = time.monotonic_ns()
        ...                                     # kill something
        end = time.monotonic_ns()
        heard = call.heard(begin, end)          # figures.Heard: what this caller heard between begin and end
        heard.longest_gap_ms                    # between frames that follow each other, the window's edges included
        heard.lost, heard.duplicates            # marks spoken in the window that never came back, or twice
        heard.latency_ms                        # numpy array: from speaking a mark to hearing it, sorted by arrival
        heard.longest_without_mark_ms           # longest time without a mark back: silence to a caller on loopback
        call.say(wire)                          # these frames next; with Manner(listens=True) sound is what is audible
        call.hang_up()                          # ari: the phone puts the receiver down; direct: the socket closes
        await call.over.wait()                  # the generator has closed the connection
        call.forget()                           # its row may be used again; without this 4096 calls are the most
        gone_ms = await place.hang_up(calls)    # all of them; ms until process and segment of each were gone

    result = await measure(Rung(setting=Setting(calls=50), seconds=20.0))     # a whole rung; `result.json()`

Times are CLOCK_MONOTONIC nanoseconds. A row keeps the last 16384 frames of each direction (5.5 minutes): ask before
they are overwritten. `place.callers.health(begin, end)` says how late the generator itself was (`figures.Health`); with
`health.fit` false no figure of that window says anything about the system.
"""
