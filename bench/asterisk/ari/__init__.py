"""ARI over HTTP and WebSocket, as the stand-in serves it.

One difference from Asterisk is intended: it is **strict**. A parameter or body key that the operation does not have, a
value of the wrong type, a body without a content type are refused with 400 and a message that begins "stand-in:" and
names what is wrong, where Asterisk would ignore them silently. An operation that Asterisk has and the stand-in lacks is
answered 501 with such a message.
"""
