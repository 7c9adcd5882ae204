"""Moves prisoner data from NOMIS into the DPS services, keeps the two in step, and proves that nothing was lost."""
