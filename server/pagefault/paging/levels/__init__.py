"""A page's levels: texts derived from level 0, each smaller than the one above."""
