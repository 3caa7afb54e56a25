"""The laboratory: a far link, a real object store, hostile origins and nodes, for tests and the demonstration.

Modules:

- ``namespaces``: network namespaces and the processes in them
- ``link``: the far link between two namespaces, or its fallback, a shaping TCP relay
- ``swift``: OpenStack Swift with its S3 API, one machine, started as plain processes
- ``disk_fault``: a disk under a node that fails on command
- ``origin``: an HTTP origin that misbehaves on command
- ``node``: ``forebay serve``
- ``processes``: starting, stopping and never leaving a process behind
- ``readers``: plain HTTP over a raw socket, for tests that must see every byte

This file imports nothing, because Swift's own interpreter loads ``swift_filters`` from this package.
"""
