"""A whole Zoom Revenue Accelerator account on loopback, to try the client on and to test against."""
