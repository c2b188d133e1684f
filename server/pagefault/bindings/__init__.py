"""Named values: `$v1`, aliases and paths in arguments, values stated in text, previews. Pure.

Values lie in the store and are read late: `references` lists what a call needs, the caller reads
those, `resolve` puts them in. Neither knows where a value comes from.
"""
