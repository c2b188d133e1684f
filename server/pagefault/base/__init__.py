"""What everything stands on: words, errors, time, tokens, settings, text. No room below it."""
