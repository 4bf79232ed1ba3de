"""The process that sends events to clients: server-sent events, long polls, WebSockets.

Django authenticates and authorizes each connection, as in the API. The events come from the event
log.
"""
