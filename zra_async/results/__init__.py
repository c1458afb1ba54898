"""Results that both errors and jobs carry: plain data, which imports nothing of the package."""
