"""pagefault: a language model's virtual memory, served over MCP."""

__version__ = "0.1.0"
