"""Parts of ``zra check``: connection probes, the proxy of the environment, and findings with advice."""
