"""Three machines with PostgreSQL under Patroni, as the documentation sets them up, and failovers under load.

``python -m tests.failover``. The machines are network namespaces on this one, so that one can be cut off as by a pulled
cable: packets are lost, nobody is told. What is run on them stands in docs/operating/high-availability.md.
"""
