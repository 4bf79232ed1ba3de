"""Admit, publish, repair and retry due jobs. Any number of orchestrators may run."""
