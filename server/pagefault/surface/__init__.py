"""The door for models: tools, resources, prompts and notifications over one memory."""
