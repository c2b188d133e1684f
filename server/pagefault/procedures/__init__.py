"""What calls of tools have taught: fixes, ways that work, sequences, prerequisites. Pure.

The log carries the decisions (`lines`), `fixing` makes them from the calls of one session,
`experience` folds them over all sessions of a workspace, `retrieval`, `sequences` and
`prerequisites` read what came of it, and `wording` says it. No line and no fold holds a word of a
message, a goal or a value: only names, digests and hashed terms. An example is fetched by its
event's id when it is shown, so that what was forgotten cannot be shown.
"""
