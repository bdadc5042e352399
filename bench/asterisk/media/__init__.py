"""What the stand-in does with sound: the 20 ms clock, the legs of a call, the bridge's mixing, AudioSocket and RTP.

Two threads carry all of it, away from the event loop that serves ARI: `Clock` sends on absolute deadlines, `Poller`
reads sockets. Both work under the one lock of `Plane`, and tell the event loop what happened through `Plane.notify`.
"""
