"""The single requests that an upload consists of."""
