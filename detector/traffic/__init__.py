"""Varied traffic for a mesh under test, the application that answers it, and sealed faults.

Needs the standard library only, but for gRPC (`detector.traffic.rpc`), which needs grpcio. It
knows nothing of the rest of the detector: what is measured must not share code with the measure.
"""
