"""The control plane: real xDS over gRPC, several istiods side by side, one address in front.

Runs as a process of its own (``python -m lab.plane``), because only there the protos of the wheel
xds-protos may be importable: that wheel ships modules of other packages too.
"""
