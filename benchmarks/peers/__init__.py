"""The other ways to write such a client, each as somebody who knows the libraries would write it for two calls."""
