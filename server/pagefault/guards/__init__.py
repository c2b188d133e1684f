"""Guards: each looks at a call that is about to be made, and says when it had better not be."""
