"""A thousand calls through one call-control in bad weather, in virtual time: the same seed, the same storm.

clock       an event loop whose time passes only when everybody waits
asterisk    channels, bridges, callers and people, as ARI shows them; each request may go wrong
house       supervisor and conversation, on a bus without sockets; each answer may be missing
storm       brings calls, breaks things, kills call-control, and looks at what is left
"""
