"""The load benchmark: measures the cost and the latency of a message, and checks that none is lost.

`python -m tools.bench` runs scenarios: modules with a function `run`, which `__main__` lists. Each one loads a `Target`
(`target`) and returns an `Outcome` (`outcome`). `window` measures CPU meanwhile; `traffic` sends messages between two `peer`s.
`baseline` and `ejabberd` are compared with the system. Modules with their own command in the first line are separate programs.
"""
