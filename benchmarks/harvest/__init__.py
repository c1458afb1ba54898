"""Other ways to write an export: each as somebody who knows the libraries would, for conversations alone."""
