"""More than a server can take: ``python -m tests.overload --seconds 60``.

Callers in processes of their own measure what the real server takes when each waits for its answer, then send three
times that, whether it is answered or not. What they were told is held against the log afterwards. Then come clients
that read slowly or not at all, open streams and connections and forget them, or send what is far too large, while a
bystander moves money and the server's memory is watched.
"""
