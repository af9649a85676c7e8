"""Real faults against the real server: ``python -m tests.chaos --store sqlite --faults 200 --seed 1``.

Clients in processes of their own send under load, repeat under the same request id whatever is not answered, and
write down every acknowledgement. Meanwhile the server, its database, their connection, disk, clock and limits are
struck at random moments. In the end the journals are held against the ledger's exported history, which is verified
against checkpoints that were kept on the way.
"""
