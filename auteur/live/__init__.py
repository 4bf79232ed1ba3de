"""The process that tells clients what happens: server-sent events, long polls, WebSockets.

Who may know what is decided by Django, as in the API; what is told is read from the numbered log.
"""
