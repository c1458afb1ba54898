"""The asyncio-native client of the Zoom Revenue Accelerator API."""

__version__ = "0.1.0"
