"""Envoy configuration as plain documents, shaped as istiod shapes it."""

from lab.xds.resources import CDS, EDS, LDS, RDS, TYPES, Scene, resources

__all__ = ["CDS", "EDS", "LDS", "RDS", "TYPES", "Scene", "resources"]
