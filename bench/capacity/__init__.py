"""How many calls this machine carries with the operator's own configuration, and the configuration that goes with it.

    module      holds
    command     `ringmaster bench capacity`
    limits      what a number of calls is held to, and which limit it broke; pure
    climb       which number of calls is tried next; pure
    attempts    which way of running the actors is tried next, and which one is recommended; pure
    sentences   what callers say, taken from the agent's own script, as frames for the wire
    talker      one caller who talks with the agent in turns; pure
    talking     all talkers of a venue, and what the journals say of their turns
    stage       the system with the operator's settings and callers on it: a number of calls in, figures out
    figures     what was measured at one number of calls
    placement   who runs on which cores; pure
    advice      the recommended settings and the reasons for them; pure
    survey      all of it, one after the other

The callers and the stand-in Asterisk (`bench.load`) are on the same machine as the system: what they take is shown
beside the result, and a machine that has nobody else to generate calls carries a little more.
"""
