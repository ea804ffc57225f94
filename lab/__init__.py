"""A small real mesh on one machine: real Envoys, a real xDS control plane, faults on command."""
