"""The ledger in one process under a seed: engines, log, projections, timers and clients, and whatever can go wrong.

The engine, the decider, the growing of the tree and the projections are the product's own. What is made here are the
threads (one runs at a time, and the seed says which), the clock, the database in memory, the network and the clients.
An auditor that shares no code with the product watches every row and every answer.
"""
